//! A connector of the tests' own with channels and projects, which gives back what it is asked with.

use async_trait::async_trait;
use connectors::communication::{Channel, Communication, Conversation, Member, NewMessage};
use connectors::connector::{Ability, Connector, Description, Listing, Operation, Surfaces};
use connectors::project::{IssueChanges, NewIssue, Project, ProjectInfo, Summary};
use connectors::{Context, Error, Item, Items, Page};

/// Without `channel`, which nobody may call, though it could be.
pub(crate) static DESK: Description = Description {
    id: "desk",
    aliases: &[],
    provider: "library",
    name: "The Desk",
    items: "notes",
    operations: &[
        Ability { operation: Operation::Channels, scopes: &[] },
        Ability { operation: Operation::Messages, scopes: &[] },
        Ability { operation: Operation::SendMessage, scopes: &[] },
        Ability { operation: Operation::Users, scopes: &[] },
        Ability { operation: Operation::Projects, scopes: &[] },
        Ability { operation: Operation::Project, scopes: &[] },
        Ability { operation: Operation::Issues, scopes: &[] },
        Ability { operation: Operation::Issue, scopes: &[] },
        Ability { operation: Operation::CreateIssue, scopes: &[] },
        Ability { operation: Operation::UpdateIssue, scopes: &[] },
        Ability { operation: Operation::MyIssues, scopes: &[] },
        Ability { operation: Operation::Summary, scopes: &[] },
        // It has no items.
        Ability { operation: Operation::List, scopes: &[] },
    ],
    filters: &[],
    max_page: 10,
    bound_scopes: &[],
};

/// The desk. Every list has two pages of one each.
#[derive(Debug)]
pub(crate) struct Desk;

fn page<T>(listing: &Listing, of: impl Fn(String) -> T) -> Page<T> {
    let number = listing.cursor.clone().unwrap_or_else(|| "1".to_owned());
    let next = (number == "1").then(|| "2".to_owned());
    Page { items: vec![of(number)], total: None, next }
}

fn item(id: impl Into<String>, text: impl Into<String>) -> Item {
    Item { id: id.into(), kind: "note", text: Some(text.into()), ..Item::default() }
}

fn project(id: impl Into<String>) -> ProjectInfo {
    ProjectInfo { id: id.into(), name: "Desk".into(), ..ProjectInfo::default() }
}

#[async_trait]
impl Connector for Desk {
    fn description(&self) -> &'static Description {
        &DESK
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, _: &Context) -> Result<(), Error> {
        Ok(())
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces { communication: Some(self), project: Some(self), ..Surfaces::default() }
    }
}

#[async_trait]
impl Communication for Desk {
    async fn channels(&self, _: &Context, listing: &Listing) -> Result<Page<Channel>, Error> {
        Ok(page(listing, |id| Channel { id, ..Channel::default() }))
    }

    async fn channel(&self, _: &Context, _: &str) -> Result<Channel, Error> {
        panic!("it is not declared, so nobody calls it")
    }

    async fn messages(&self, _: &Context, of: &Conversation, listing: &Listing) -> Result<Items, Error> {
        Ok(page(listing, |id| item(id, format!("{}/{:?}", of.channel, of.thread))))
    }

    async fn send_message(&self, _: &Context, message: &NewMessage) -> Result<Item, Error> {
        Ok(item(&message.to.channel, &message.text))
    }

    async fn users(&self, _: &Context, listing: &Listing) -> Result<Page<Member>, Error> {
        Ok(page(listing, |id| Member { id, ..Member::default() }))
    }
}

#[async_trait]
impl Project for Desk {
    async fn projects(&self, _: &Context, listing: &Listing) -> Result<Page<ProjectInfo>, Error> {
        Ok(page(listing, project))
    }

    async fn project(&self, _: &Context, id: &str) -> Result<ProjectInfo, Error> {
        Ok(project(id))
    }

    async fn issues(&self, _: &Context, project: &str, listing: &Listing) -> Result<Items, Error> {
        Ok(page(listing, |id| item(id, project)))
    }

    async fn issue(&self, _: &Context, id: &str) -> Result<Item, Error> {
        Ok(item(id, "an issue"))
    }

    async fn create_issue(&self, _: &Context, issue: &NewIssue) -> Result<Item, Error> {
        Ok(item(&issue.project, &issue.title))
    }

    async fn update_issue(&self, _: &Context, id: &str, changes: &IssueChanges) -> Result<Item, Error> {
        Ok(item(id, changes.status.clone().unwrap_or_default()))
    }

    async fn my_issues(&self, _: &Context, listing: &Listing) -> Result<Items, Error> {
        Ok(page(listing, |id| item(id, "mine")))
    }

    async fn summary(&self, _: &Context, id: &str) -> Result<Summary, Error> {
        Ok(Summary { project: project(id), issues: Some(7), ..Summary::default() })
    }
}
