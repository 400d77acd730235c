//! Publishing plugins.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bundler::Diagnostic;
use http::StatusCode;
use registry::{Author, Draft, Owner, Published};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::PluginBody;
use super::multipart::Upload;
use super::plugin_id;
use crate::App;
use crate::extract::{Json, Path, PlatformAdmin, Publisher};
use crate::problem::{Problem, ProblemBody};

/// The body of a publish: a manifest and its source.
#[derive(ToSchema)]
#[schema(as = PublishPlugin)]
#[expect(
    dead_code,
    reason = "describes a body that the registry reads, so that the rules stand in one place"
)]
pub(crate) struct PublishBody {
    /// Letters, digits and `._-`; unique in the catalog.
    #[schema(example = "payment-card")]
    id: String,
    #[schema(example = "Card payments")]
    name: String,
    /// Semantic version; a published one never changes.
    #[schema(example = "1.0.0")]
    version: String,
    description: Option<String>,
    #[schema(example = "payment")]
    category: String,
    /// One file of TSX. One of `sourceCode`, `files`, `bundleUrl` and `remoteEntry` is needed for a new version.
    #[schema(example = "export default { name: 'Card', extensionPoints: {} }")]
    source_code: Option<String>,
    /// Sources by path: text, or `{content, encoding: "base64"}`.
    #[schema(value_type = Option<Object>)]
    files: Option<Value>,
    /// The address of a bundle: fetched once and kept here from then on, or what `/plugins/storage/upload` gave.
    bundle_url: Option<String>,
    /// Found in the program where left out.
    extension_points: Option<Vec<String>>,
    required_permissions: Option<Vec<String>>,
    /// JSON Schema; `sensitiveFields` beside `properties` names those that are encrypted.
    #[schema(value_type = Option<Object>)]
    config_schema: Option<Value>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    min_platform_version: Option<String>,
    max_platform_version: Option<String>,
    compatible_versions: Option<Vec<String>>,
}

/// A published plugin.
#[derive(Serialize, ToSchema)]
#[schema(as = PublishedPlugin)]
pub(crate) struct PublishedBody<'a> {
    #[serde(flatten)]
    plugin: PluginBody<'a>,
    /// What the author should know, though it builds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

fn created(app: &App, status: StatusCode, published: &Published) -> Response {
    let body = PublishedBody {
        plugin: PluginBody::new(app.registry(), &published.plugin),
        warnings: published.warnings.iter().map(Diagnostic::to_string).collect(),
    };
    (status, Json(body)).into_response()
}

/// Publishes a version of a plugin: into the tenant's own catalog, or for the platform's administrator into the shared
/// one. Sources are checked and bundled before anything is stored.
#[utoipa::path(
    post, path = "/plugins", tag = "plugins", operation_id = "publishPlugin", request_body = PublishBody,
    responses(
        (status = 201, body = PublishedBody<'_>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "the version is published already"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "the manifest or the source is wrong; `errors` has every reason"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    Publisher(author): Publisher,
    Json(body): Json<Value>,
) -> Result<Response, Problem> {
    let published = app.registry().publish(&author, Draft::from_json(body)?).await?;
    Ok(created(&app, StatusCode::CREATED, &published))
}

/// Publishes a plugin into the shared catalog.
#[utoipa::path(
    post, path = "/marketplace", tag = "marketplace", operation_id = "publishToMarketplace", request_body = PublishBody,
    responses(
        (status = 201, body = PublishedBody<'_>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn create_in_marketplace(
    State(app): State<App>,
    PlatformAdmin(principal): PlatformAdmin,
    Json(body): Json<Value>,
) -> Result<Response, Problem> {
    let author = Author { owner: Owner::Shared, subject: principal.subject };
    let published = app.registry().publish(&author, Draft::from_json(body)?).await?;
    Ok(created(&app, StatusCode::CREATED, &published))
}

/// Changes a plugin: with a source and a new version, publishes it; without, changes its description.
#[utoipa::path(
    put, path = "/plugins/{id}", tag = "plugins", operation_id = "updatePlugin", request_body = PublishBody,
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = PublishedBody<'_>),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "the version is published already"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn update(
    State(app): State<App>,
    Publisher(author): Publisher,
    Path(id): Path<String>,
    Json(fields): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let published = app.registry().update(&author, &plugin_id(&id)?, fields).await?;
    Ok(created(&app, StatusCode::OK, &published))
}

/// An uploaded file with the fields of a publish.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form")]
struct UploadForm {
    /// A bundle (one ES module), or a `.zip` or `.tgz` of sources with a `plugin.json`.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Publishes an uploaded bundle or archive of sources. Fields beside the file replace those of its `plugin.json`.
#[utoipa::path(
    post, path = "/plugins/upload", tag = "plugins", operation_id = "uploadPlugin",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = PublishedBody<'_>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn upload(
    State(app): State<App>,
    Publisher(author): Publisher,
    upload: Upload,
) -> Result<Response, Problem> {
    // Unpacking takes CPU, not time to wait for.
    let draft = tokio::task::spawn_blocking(move || Draft::from_upload(upload.fields, upload.file));
    let draft =
        draft.await.map_err(|error| Problem::new(model::ErrorCode::Internal, error.to_string()))??;
    let published = app.registry().publish(&author, draft).await?;
    Ok(created(&app, StatusCode::CREATED, &published))
}

/// A bundle, and the version that it is for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a form")]
struct StorageForm {
    /// A bundle: one ES module.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    plugin_id: String,
    version: String,
}

/// Where an uploaded bundle is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredBundle {
    /// To be given as `bundleUrl` when the version is published.
    bundle_url: String,
    plugin_id: String,
    version: String,
}

/// Stores a bundle ahead of the publish that will name its address.
#[utoipa::path(
    post, path = "/plugins/storage/upload", tag = "plugins", operation_id = "uploadBundle",
    request_body(content = StorageForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = StoredBundle),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn upload_to_storage(
    State(app): State<App>,
    Publisher(author): Publisher,
    upload: Upload,
) -> Result<(StatusCode, Json<StoredBundle>), Problem> {
    let (id, version) = (upload.text("pluginId")?.to_owned(), upload.text("version")?.to_owned());
    let uploaded = app.registry().upload(&author, &id, &version, upload.file).await?;
    let bundle_url = app.registry().file_url(&plugin_id(&id)?, &version, &uploaded.filename);
    Ok((StatusCode::CREATED, Json(StoredBundle { bundle_url, plugin_id: id, version })))
}
