//! What can be wrong with a plugin, an installation or a configuration.

use model::{Coded, ErrorCode, Violation};

use crate::ExamineError;

/// A request to the registry that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest, or the fields in its place, break rules.
    #[error("the manifest has {} to put right", problems(.0.len()))]
    Manifest(Vec<Violation>),
    /// The configuration does not follow the plugin's schema.
    #[error("the configuration has {} to put right", problems(.0.len()))]
    Configuration(Vec<Violation>),
    /// A rating outside its bounds.
    #[error("the rating has {} to put right", problems(.0.len()))]
    Rating(Vec<Violation>),
    /// The plugin does not fit the platform or what the tenant has installed.
    #[error("the plugin cannot be installed here, for {}", reasons(.0.len()))]
    Incompatible(Vec<Violation>),
    /// The source does not build, or not within the bundler's limits.
    #[error(transparent)]
    Bundler(#[from] bundler::Error),
    /// The backend is built, and does not load.
    #[error("the backend has {} to put right", problems(.0.len()))]
    Backend(Vec<Violation>),
    /// There is no room to examine a backend now.
    #[error("backends cannot be examined at the moment: try again in some seconds")]
    ExaminerBusy,
    /// The plugin asks for more than was consented to; each violation names one thing.
    #[error("{plugin} {version} asks for more than was consented to: send its grants as consent to agree")]
    ConsentRequired {
        /// The plugin's id.
        plugin: String,
        /// The version.
        version: String,
        /// What is asked for and not consented to.
        missing: Vec<Violation>,
    },
    /// What was consented to is not what the version asks for.
    #[error("{plugin} {version} asks for something else than the consent names: read its grants again")]
    ConsentMismatch {
        /// The plugin's id.
        plugin: String,
        /// The version.
        version: String,
        /// What differs.
        differences: Vec<Violation>,
    },
    /// An archive that is damaged, hostile or too large.
    #[error("the archive cannot be used: {0}")]
    Archive(String),
    /// An uploaded file that is larger than allowed.
    #[error("{what} must have at most {max} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The most that is allowed.
        max: usize,
    },
    /// A new version without anything to run.
    #[error("a version needs exactly one of sourceCode, files, bundleUrl or remoteEntry")]
    SourceMissing,
    /// The version exists; what it runs never changes.
    #[error("version {version} of {plugin} is published and cannot change, publish a new version instead")]
    VersionExists {
        /// The plugin's id.
        plugin: String,
        /// The version.
        version: String,
    },
    /// Somebody's plugin of the same id and version has a script of the same name and other content.
    #[error(
        "another {plugin} {version} has a bundle of the same name and other content, publish under another version"
    )]
    FileTaken {
        /// The plugin's id.
        plugin: String,
        /// The version.
        version: String,
    },
    /// There are as many as there may be.
    #[error("{what} may have at most {max} {of}")]
    Quota {
        /// Who has too many.
        what: &'static str,
        /// The most there may be.
        max: i64,
        /// Of what.
        of: &'static str,
    },
    /// Another change came first.
    #[error("{0} was changed meanwhile: read it again and repeat what is still wanted")]
    ChangedMeanwhile(String),
    /// The shared catalog has a plugin of this id.
    #[error("the id {0} is taken in the shared catalog, choose another")]
    IdTaken(String),
    /// No such plugin, or not for this tenant.
    #[error("no plugin {0} is available here")]
    PluginNotFound(String),
    /// The plugin exists, the version does not.
    #[error("plugin {plugin} has no version {version}")]
    VersionNotFound {
        /// The plugin's id.
        plugin: String,
        /// The version asked for.
        version: String,
    },
    /// The tenant has not installed the plugin.
    #[error("plugin {0} is not installed")]
    NotInstalled(String),
    /// The tenant has installed the plugin before.
    #[error("plugin {0} is already installed")]
    AlreadyInstalled(String),
    /// No such file.
    #[error("no such bundle")]
    BundleNotFound,
    /// Only who publishes the plugin may change it.
    #[error("only the publisher of {0} may change it")]
    NotPublisher(String),
    /// A cursor that no answer gave.
    #[error("cursor must be one that the `next` link of an earlier answer gave")]
    Cursor,
    /// The database or the blobs failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A row that this program did not write.
    #[error("a stored document cannot be read")]
    Corrupt(#[source] serde_json::Error),
}

impl Error {
    /// The same for another who waited for what has failed.
    #[must_use]
    pub fn for_another(&self) -> Self {
        match self {
            Self::NotInstalled(id) => Self::NotInstalled(id.clone()),
            Self::BundleNotFound => Self::BundleNotFound,
            error => Self::Storage(storage::Error::Blobs(error.to_string().into())),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<ExamineError> for Error {
    fn from(error: ExamineError) -> Self {
        match error {
            ExamineError::Refused(violations) => Self::Backend(violations),
            ExamineError::Busy => Self::ExaminerBusy,
        }
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Manifest(_) | Self::Configuration(_) | Self::Rating(_) | Self::SourceMissing => {
                ErrorCode::ValidationFailed
            }
            Self::Incompatible(_) => ErrorCode::Incompatible,
            Self::Backend(_) => ErrorCode::BuildFailed,
            Self::ExaminerBusy => ErrorCode::Unavailable,
            Self::ConsentRequired { .. } | Self::ConsentMismatch { .. } => ErrorCode::ConsentRequired,
            Self::Bundler(error) => error.code(),
            Self::Archive(_) | Self::Cursor => ErrorCode::InvalidRequest,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::VersionExists { .. } | Self::AlreadyInstalled(_) => ErrorCode::AlreadyExists,
            // Not the same: whoever publishes again what exists is done, whoever meets another's id is not.
            Self::IdTaken(_) | Self::FileTaken { .. } | Self::ChangedMeanwhile(_) | Self::Quota { .. } => {
                ErrorCode::Conflict
            }
            Self::PluginNotFound(_)
            | Self::VersionNotFound { .. }
            | Self::NotInstalled(_)
            | Self::BundleNotFound => ErrorCode::NotFound,
            Self::NotPublisher(_) => ErrorCode::InsufficientRole,
            Self::Storage(error) => error.code(),
            Self::Corrupt(_) => ErrorCode::Internal,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Manifest(violations)
            | Self::Configuration(violations)
            | Self::Rating(violations)
            | Self::Incompatible(violations)
            | Self::Backend(violations)
            | Self::ConsentRequired { missing: violations, .. }
            | Self::ConsentMismatch { differences: violations, .. } => violations.clone(),
            Self::Bundler(error) => error.violations(),
            _ => Vec::new(),
        }
    }
}

fn problems(count: usize) -> String {
    if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") }
}

fn reasons(count: usize) -> String {
    if count == 1 { "1 reason".to_owned() } else { format!("{count} reasons") }
}
