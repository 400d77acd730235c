//! An entry for the unit tests of this module.

use std::collections::BTreeMap;

use crate::catalog::{
    AccountShape, BodyFormat, CredentialShape, Endpoints, Flow, Owner, Provider, ProviderId, Resolved,
    Rotation, TokenAuth,
};

/// A provider as RFC 6749 has them, without URLs.
pub(super) fn provider() -> Provider {
    Provider {
        id: ProviderId::parse("sample").unwrap(),
        name: "Sample".to_owned(),
        flow: Flow::AuthorizationCode,
        owner: Owner::User,
        issuer: None,
        promises_iss: false,
        endpoints: Endpoints::default(),
        default_scopes: vec!["read".to_owned()],
        scope_separator: " ".to_owned(),
        authorization_params: BTreeMap::new(),
        token_params: BTreeMap::new(),
        headers: BTreeMap::new(),
        token_auth: TokenAuth::ClientSecretBasic,
        body_format: BodyFormat::Form,
        pkce: true,
        rotation: Rotation::default(),
        credentials: vec![credential("main", "scope")],
        account: AccountShape::default(),
        sites: None,
        revocation: None,
        variables: BTreeMap::new(),
        api_hosts: Vec::new(),
    }
}

/// No URLs at all.
pub(super) fn resolved() -> Resolved {
    Resolved {
        authorization: None,
        token: None,
        userinfo: None,
        revocation: None,
        issuer: None,
        promises_iss: false,
    }
}

/// A credential at the top of the answer.
pub(super) fn credential(name: &str, scope_param: &str) -> CredentialShape {
    CredentialShape {
        name: name.to_owned(),
        at: String::new(),
        optional: false,
        scope_param: scope_param.to_owned(),
        default_scopes: Vec::new(),
    }
}
