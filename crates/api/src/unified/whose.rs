//! Whose connection a request means, and the one rule of what is the tenant's own: every user of the tenant sees and uses
//! such a connection, and an admin begins, changes and ends it.

use ::connections::Whose;
use ::connections::catalog::Owner;
use ::connections::connection::Connection;
use model::{ErrorCode, Role};

use super::connections::sees_all;
use super::{required_user_email, user_email};
use crate::App;
use crate::extract::User;
use crate::problem::Problem;

/// Refuses who may not begin, change, renew by force or revoke a connection of `owner`. Of an API key it is the role that
/// counts, though a key of any role may act for any user.
pub(crate) fn check_manages(caller: &User, owner: Owner) -> Result<(), Problem> {
    if owner.is_user() || caller.is_at_least(Role::Admin) {
        return Ok(());
    }
    let detail = "this connection is the tenant's, for all its users: every user may use it, and only an admin, or an API \
                  key with the role admin, may begin, change, renew or revoke it";
    Err(Problem::new(ErrorCode::InsufficientRole, detail))
}

/// The connection to `provider` that is meant, to be used. Who may see any connection of the tenant need not say whose it
/// is, where its id is named.
pub(crate) async fn whose(
    app: &App,
    caller: &User,
    provider: String,
    named: Option<&str>,
    connection: Option<String>,
) -> Result<Whose, Problem> {
    let user_email = match (named, &connection) {
        (None, Some(id)) if sees_all(caller) => {
            app.connections().connection(caller.tenant(), id).await?.user_email
        }
        (named, _) => user_at(app, caller, &provider, named)?,
    };
    Ok(Whose { tenant: caller.tenant().clone(), user_email, provider, connection })
}

/// Who is meant at `provider`. Where its connections are the tenant's, that may be nobody: the text is then empty.
pub(super) fn user_at(
    app: &App,
    caller: &User,
    provider: &str,
    named: Option<&str>,
) -> Result<String, Problem> {
    match app.connections().provider(provider) {
        Ok(provider) if provider.owner == Owner::Tenant => Ok(user_email(caller, named)?.unwrap_or_default()),
        // That there is no such provider is told by who looks for the connection.
        _ => required_user_email(caller, named),
    }
}

/// A connection that the caller may see: its own, the tenant's, or any of the tenant for an admin or an API key.
pub(super) async fn visible(app: &App, caller: &User, id: &str) -> Result<Connection, Problem> {
    let connection = app.connections().connection(caller.tenant(), id).await?;
    let own = caller.principal().email.as_deref().map(str::to_lowercase);
    if sees_all(caller) || connection.is_for(own.as_deref().unwrap_or_default()) {
        return Ok(connection);
    }
    // Another user's is nobody's business: the same answer as for none.
    Err(::connections::Error::ConnectionNotFound(connection.id).into())
}

/// The same, for what changes or ends it.
pub(super) async fn changeable(app: &App, caller: &User, id: &str) -> Result<Connection, Problem> {
    let connection = visible(app, caller, id).await?;
    check_manages(caller, connection.owner())?;
    Ok(connection)
}

/// The address that an answer names: the one that was asked for, if any was.
pub(super) fn asked(whose: &Whose) -> Option<String> {
    Some(whose.user_email.clone()).filter(|text| !text.is_empty())
}
