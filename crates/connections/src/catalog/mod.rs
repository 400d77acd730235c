//! The providers there are: what is built in, and what the operator adds or overrides.

mod provider;

pub use provider::{
    AccountShape, BodyFormat, CredentialShape, Endpoints, Flow, InvalidProviderId, Provider, ProviderId,
    Resolved, Revocation, Rotation, SitesShape, TokenAuth, TokenIn, Variable, VariablePattern,
};
