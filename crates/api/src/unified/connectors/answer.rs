//! What all answers of connectors have around what was asked for.

use ::connectors::connector::Description;
use ::connectors::{Done, Item};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{ItemBody, user};

/// What came of an operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectorAnswer)]
pub(super) struct AnswerBody<T: ToSchema> {
    /// `true`.
    success: bool,
    /// The connector.
    #[schema(example = "slack")]
    provider: &'static str,
    /// Whose connection it is; left out where it is the tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ann@acme.example")]
    user_email: Option<String>,
    /// What was asked for.
    result: T,
}

impl<T: ToSchema> AnswerBody<T> {
    /// What was `done`, with its result as `body` tells it.
    pub(super) fn new<R>(done: Done<R>, body: impl FnOnce(R, &'static Description) -> T) -> Self {
        let Done { connection, description, result } = done;
        let user_email = user(connection.user_email);
        Self { success: true, provider: description.id, user_email, result: body(result, description) }
    }

    /// The item that was `done`, under the name that `body` gives it.
    pub(super) fn of_item(done: Done<Item>, body: impl FnOnce(ItemBody) -> T) -> Self {
        Self::new(done, |item, description| body(ItemBody::new(item, description)))
    }
}

/// A page without what stands around it: as the documents' short routes give it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShortAnswer)]
pub(in crate::unified) struct ShortBody<T: ToSchema> {
    /// `true`.
    success: bool,
    /// The page.
    #[serde(flatten)]
    page: T,
}

impl<T: ToSchema> ShortBody<T> {
    /// The page that was `done`, as `body` tells it.
    pub(in crate::unified) fn new<R>(done: Done<R>, body: impl FnOnce(R, &'static Description) -> T) -> Self {
        Self { success: true, page: body(done.result, done.description) }
    }
}

/// A page of things that stand under the name `$list`, each made by a function.
macro_rules! page {
    ($(#[$meta:meta])* $name:ident { $list:ident: $body:ty }) => {
        $(#[$meta])*
        #[derive(Debug, ::serde::Serialize, ::utoipa::ToSchema)]
        pub(in crate::unified) struct $name {
            /// There may be fewer than were asked for though more follow. What a vendor gives only all at once comes all at
            /// once.
            $list: Vec<$body>,
            /// How many there are in all, where the vendor tells.
            #[serde(skip_serializing_if = "Option::is_none")]
            total: Option<u64>,
            /// What to send as `page_token` for the next page, with all else as it was; left out at the end.
            #[serde(skip_serializing_if = "Option::is_none")]
            next_page_token: Option<String>,
        }

        impl $name {
            pub(in crate::unified) fn of<T>(
                page: ::connectors::Page<T>,
                each: impl FnMut(T) -> $body,
            ) -> Self {
                let $list = page.items.into_iter().map(each).collect();
                Self { $list, total: page.total, next_page_token: page.next }
            }
        }
    };
}

/// One thing under the name `$one`.
macro_rules! one {
    ($(#[$meta:meta])* $name:ident { $one:ident: $body:ty }) => {
        $(#[$meta])*
        #[derive(Debug, ::serde::Serialize, ::utoipa::ToSchema)]
        pub(in crate::unified) struct $name {
            $one: $body,
        }

        impl $name {
            pub(in crate::unified) fn new($one: impl Into<$body>) -> Self {
                Self { $one: $one.into() }
            }
        }
    };
}

pub(super) use {one, page};
