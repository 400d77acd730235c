//! Every operation that a connector declares, done once or more.

use std::collections::BTreeSet;

use connectors::communication::{Conversation, NewMessage};
use connectors::connector::{Connector, Listing, Operation};
use connectors::content::WantedContent;
use connectors::project::{IssueChanges, NewIssue};
use connectors::{Context, Error};
use futures::TryStreamExt as _;
use serde_json::Value;

use crate::caller::fields;

/// What the operations of one connector are done with.
#[derive(Debug, Default)]
pub(super) struct Samples<'a> {
    /// Pages of items: at least one.
    pub(super) lists: Vec<Listing>,
    /// Searches, each with its query.
    pub(super) searches: Vec<(&'a str, Listing)>,
    /// Items.
    pub(super) items: Vec<&'a str>,
    /// Items that are deleted; the same where there are none.
    pub(super) deleted: Vec<&'a str>,
    /// Items that are made.
    pub(super) made: Vec<Value>,
    /// Changes, each with its item.
    pub(super) changes: Vec<(&'a str, Value)>,
    /// Bytes, each with its item.
    pub(super) contents: Vec<(&'a str, WantedContent)>,
    /// An item that is spoken about.
    pub(super) spoken_about: &'a str,
    /// A channel, and a thread in it.
    pub(super) channel: (&'a str, &'a str),
    /// A project.
    pub(super) project: &'a str,
    /// Pages of its issues, besides the first without any filter.
    pub(super) issue_lists: Vec<Listing>,
    /// An issue.
    pub(super) issue: &'a str,
    /// Issues that are made.
    pub(super) new_issues: Vec<NewIssue>,
    /// Changes of the issue.
    pub(super) issue_changes: Vec<IssueChanges>,
}

/// A page of so many items, narrowed by these filters.
pub(super) fn page(filters: &[(&'static str, &str)]) -> Listing {
    let filters = filters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Listing { max_results: 5, cursor: None, filters }
}

/// Does all that the connector declares, with each of its filters; gives what failed: the operation, which time, and why.
pub(super) async fn exercise(
    connector: &dyn Connector,
    context: &Context,
    samples: &Samples<'_>,
) -> Vec<String> {
    let searches = samples.searches.iter().map(|(_, listing)| listing);
    let given = samples.lists.iter().chain(&samples.issue_lists).chain(searches);
    let given: BTreeSet<&str> = given.flat_map(|listing| listing.filters.keys().copied()).collect();
    let declared = connector.description().filters.iter().map(|filter| filter.name).collect();
    assert_eq!(given, declared, "each filter that is declared, and no other");
    let mut failed = Vec::new();
    if let Err(error) = connector.test(context).await {
        failed.push(format!("test: {error}"));
    }
    for ability in connector.description().operations {
        let done = operate(connector, context, ability.operation, samples).await;
        assert!(!done.is_empty(), "{} is not exercised", ability.operation.as_str());
        for (number, result) in done.into_iter().enumerate() {
            if let Err(error) = result {
                failed.push(format!("{} {number}: {error} {error:?}", ability.operation.as_str()));
            }
        }
    }
    failed
}

async fn operate(
    connector: &dyn Connector,
    context: &Context,
    operation: Operation,
    samples: &Samples<'_>,
) -> Vec<Result<(), Error>> {
    match operation {
        Operation::List
        | Operation::Get
        | Operation::Create
        | Operation::Update
        | Operation::Delete
        | Operation::Search => data(connector, context, operation, samples).await,
        Operation::Containers | Operation::Content | Operation::Comments | Operation::AddComment => {
            beside(connector, context, operation, samples).await
        }
        Operation::Channels
        | Operation::Channel
        | Operation::Messages
        | Operation::SendMessage
        | Operation::Users => communication(connector, context, operation, samples).await,
        _ => project(connector, context, operation, samples).await,
    }
}

async fn data(
    connector: &dyn Connector,
    context: &Context,
    operation: Operation,
    samples: &Samples<'_>,
) -> Vec<Result<(), Error>> {
    let data = connector.surfaces().data.unwrap();
    let mut done = Vec::new();
    match operation {
        Operation::List => {
            for listing in &samples.lists {
                done.push(data.list(context, listing).await.map(drop));
            }
        }
        Operation::Search => {
            for (query, listing) in &samples.searches {
                done.push(data.search(context, query, listing).await.map(drop));
            }
        }
        Operation::Get => {
            for id in &samples.items {
                done.push(data.get(context, id).await.map(drop));
            }
        }
        Operation::Create => {
            for made in &samples.made {
                done.push(data.create(context, &fields(made)).await.map(drop));
            }
        }
        Operation::Update => {
            for (id, changes) in &samples.changes {
                done.push(data.update(context, id, &fields(changes)).await.map(drop));
            }
        }
        _ => {
            let deleted = if samples.deleted.is_empty() { &samples.items } else { &samples.deleted };
            for id in deleted {
                done.push(data.delete(context, id).await);
            }
        }
    }
    done
}

async fn beside(
    connector: &dyn Connector,
    context: &Context,
    operation: Operation,
    samples: &Samples<'_>,
) -> Vec<Result<(), Error>> {
    let surfaces = connector.surfaces();
    let about = samples.spoken_about;
    match operation {
        Operation::Containers => {
            vec![surfaces.containers.unwrap().containers(context, &page(&[])).await.map(drop)]
        }
        Operation::Comments => {
            vec![surfaces.comments.unwrap().comments(context, about, &page(&[])).await.map(drop)]
        }
        Operation::AddComment => {
            let text = "**Done** as asked:\n\n- one\n- two";
            vec![surfaces.comments.unwrap().add_comment(context, about, text).await.map(drop)]
        }
        _ => {
            let mut done = Vec::new();
            for (id, wanted) in &samples.contents {
                let file = surfaces.content.unwrap().content(context, id, wanted).await;
                done.push(match file {
                    Ok(file) => file.bytes.try_for_each(|_| async { Ok(()) }).await,
                    Err(error) => Err(error),
                });
            }
            done
        }
    }
}

async fn communication(
    connector: &dyn Connector,
    context: &Context,
    operation: Operation,
    samples: &Samples<'_>,
) -> Vec<Result<(), Error>> {
    let communication = connector.surfaces().communication.unwrap();
    let (channel, thread) = samples.channel;
    let whole = Conversation { channel: channel.to_owned(), thread: None };
    let thread = Conversation { channel: channel.to_owned(), thread: Some(thread.to_owned()) };
    let message = |to: &Conversation| NewMessage { to: to.clone(), text: "hello".to_owned() };
    match operation {
        Operation::Channels => vec![communication.channels(context, &page(&[])).await.map(drop)],
        Operation::Channel => vec![communication.channel(context, channel).await.map(drop)],
        Operation::Messages => vec![
            communication.messages(context, &whole, &page(&[])).await.map(drop),
            communication.messages(context, &thread, &page(&[])).await.map(drop),
        ],
        Operation::SendMessage => vec![
            communication.send_message(context, &message(&whole)).await.map(drop),
            communication.send_message(context, &message(&thread)).await.map(drop),
        ],
        _ => vec![communication.users(context, &page(&[])).await.map(drop)],
    }
}

async fn project(
    connector: &dyn Connector,
    context: &Context,
    operation: Operation,
    samples: &Samples<'_>,
) -> Vec<Result<(), Error>> {
    let project = connector.surfaces().project.unwrap();
    match operation {
        Operation::Projects => vec![project.projects(context, &page(&[])).await.map(drop)],
        Operation::Project => vec![project.project(context, samples.project).await.map(drop)],
        Operation::Issues => {
            let mut done = Vec::new();
            for listing in samples.issue_lists.iter().chain([&page(&[])]) {
                done.push(project.issues(context, samples.project, listing).await.map(drop));
            }
            done
        }
        Operation::Issue => vec![project.issue(context, samples.issue).await.map(drop)],
        Operation::MyIssues => vec![project.my_issues(context, &page(&[])).await.map(drop)],
        Operation::Summary => vec![project.summary(context, samples.project).await.map(drop)],
        Operation::CreateIssue => {
            let mut done = Vec::new();
            for issue in &samples.new_issues {
                done.push(project.create_issue(context, issue).await.map(drop));
            }
            done
        }
        _ => {
            let mut done = Vec::new();
            for changes in &samples.issue_changes {
                done.push(project.update_issue(context, samples.issue, changes).await.map(drop));
            }
            done
        }
    }
}
