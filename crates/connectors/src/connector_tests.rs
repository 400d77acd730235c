//! Which credential acts, and what it lacks.

use connections::connection::{Account, Credential, Status};

use super::*;

const TALK: Description = Description {
    id: "talk",
    aliases: &["talkative"],
    provider: "talk",
    name: "Talk",
    items: "words",
    operations: &[],
    filters: &[],
    max_page: 1,
    bound_scopes: &[("search", "user")],
};

fn connection(granted: &[(&str, &[&str])]) -> Connection {
    let moment = model::Timestamp::from_millisecond(0);
    let credential = |(name, scopes): &(&str, &[&str])| Credential {
        name: (*name).to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        expires_at: None,
        has_refresh_token: false,
        dies_at: None,
        refreshed_at: None,
    };
    Connection {
        id: "c1".into(),
        provider: "talk".parse().unwrap(),
        user_email: String::new(),
        label: String::new(),
        is_default: true,
        status: Status::Active,
        status_reason: None,
        account: Account::default(),
        variables: [].into(),
        sites: Vec::new(),
        site: None,
        client_id: String::new(),
        credentials: granted.iter().map(credential).collect(),
        authorized_at: moment,
        created_at: moment,
        updated_at: moment,
        last_used_at: None,
    }
}

#[test]
fn the_credential_that_was_granted_enough_acts() {
    let reads = Ability { operation: Operation::List, scopes: &[&["read"]] };
    let both = Ability { operation: Operation::Update, scopes: &[&["read"], &["write"]] };
    let searches = Ability { operation: Operation::Search, scopes: &[&["search"]] };
    let free = Ability { operation: Operation::Get, scopes: &[] };
    let suitable = |ability: &Ability, granted: &[(&str, &[&str])]| {
        let connection = connection(granted);
        TALK.suitable(ability, &connection, "bot").map(str::to_owned)
    };
    let lacking = |scopes, credential| Err(Lacking { scopes, credential });
    let two: &[(&str, &[&str])] = &[("bot", &["read", "search"]), ("user", &["read", "write"])];
    assert_eq!(suitable(&free, &[]), Ok("bot".into()));
    assert_eq!(suitable(&reads, two), Ok("bot".into()), "the one that leads");
    assert_eq!(suitable(&both, two), Ok("user".into()), "what the bot lacks, the user has");
    assert_eq!(suitable(&both, &[("bot", &["read"]), ("user", &["write"])]), lacking(&["write"], None));
    assert_eq!(suitable(&searches, two), lacking(&["search"], Some("user")), "the bot's does not count");
    assert_eq!(suitable(&searches, &[("user", &["search"])]), Ok("user".into()));
    assert_eq!(suitable(&reads, &[]), lacking(&["read"], None));
    assert!(TALK.is_granted(&both, &connection(two)) && !TALK.is_granted(&searches, &connection(two)));
}

#[test]
fn a_grant_without_scopes_is_for_the_vendor_to_judge() {
    let reads = Ability { operation: Operation::List, scopes: &[&["read"]] };
    let of_app = |scopes| Connection { client_id: "app".into(), ..connection(&[("main", scopes)]) };
    assert!(TALK.is_granted(&reads, &of_app(&[])));
    assert!(!TALK.is_granted(&reads, &of_app(&["write"])));
    assert!(!TALK.is_granted(&reads, &connection(&[("main", &[])])), "an API key");
}

#[test]
fn an_alias_is_a_name() {
    assert!(TALK.is_called("talk") && TALK.is_called("talkative") && !TALK.is_called("talks"));
}

#[test]
fn one_scope_of_each_group_is_needed() {
    let ability =
        Ability { operation: Operation::Search, scopes: &[&["mail.read", "mail.modify"], &["search"]] };
    let missing = |granted: &[&str]| {
        ability.missing(&granted.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(missing(&["search", "mail.modify"]), None);
    assert_eq!(missing(&["mail.read"]), Some(&["search"][..]));
    assert_eq!(missing(&["search"]), Some(&["mail.read", "mail.modify"][..]));
    assert_eq!(Ability { operation: Operation::List, scopes: &[] }.missing(&[]), None);
}
