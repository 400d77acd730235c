//! What is asked of each connector, and where the vendor's own answer stands.

/// Something that a connector is asked for.
pub(super) struct Case {
    pub(super) connector: &'static str,
    /// What the snapshot is called, after the connector.
    pub(super) name: &'static str,
    /// Below the connector.
    pub(super) path: &'static str,
    pub(super) raw: Raw,
}

/// What stands under `raw` where that is asked for.
#[derive(Clone, Copy)]
pub(super) enum Raw {
    /// Nothing.
    None,
    /// At this JSON Pointer stands one thing, whose vendor's answer is this file, at this pointer.
    One(&'static str, &'static str, &'static str),
    /// There stands a list of things, whose vendor's answers are a list likewise.
    List(&'static str, &'static str, &'static str),
    /// There stands a list of things, each of which the vendor answers with by itself.
    Each(&'static str, &'static [&'static str]),
}

const fn case(connector: &'static str, name: &'static str, path: &'static str, raw: Raw) -> Case {
    Case { connector, name, path, raw }
}

const ITEMS: &str = "/result/items";
const ITEM: &str = "/result/item";
const MESSAGES: &[&str] = &["gmail/message_multipart", "gmail/message_bare", "gmail/message_html"];
const TALK: &str = "items/acme:site:12/comments";

pub(super) const CASES: &[Case] = &[
    case("gmail", "capabilities", "capabilities", Raw::None),
    case("gmail", "list", "items?max_results=3", Raw::Each(ITEMS, MESSAGES)),
    case("gmail", "search", "search?query=faktura", Raw::Each(ITEMS, MESSAGES)),
    case("gmail", "get", "items/19a7c0ffee000003", Raw::One(ITEM, MESSAGES[0], "")),
    case("gmail", "containers", "containers", Raw::List("/result/containers", "gmail/labels", "/labels")),
    case("drive", "capabilities", "capabilities", Raw::None),
    case("drive", "list", "items", Raw::List(ITEMS, "drive/list", "/files")),
    case("drive", "get", "items/1AbCdEfDocument", Raw::One(ITEM, "drive/get", "")),
    case("drive", "containers", "containers", Raw::List("/result/containers", "drive/drives", "/drives")),
    case("calendar", "capabilities", "capabilities", Raw::None),
    case("calendar", "list", "items", Raw::List(ITEMS, "calendar/list", "/items")),
    case("calendar", "get", "items/6hkm6d31", Raw::One(ITEM, "calendar/get", "")),
    case(
        "calendar",
        "containers",
        "containers",
        Raw::List("/result/containers", "calendar/calendars", "/items"),
    ),
    case("slack", "capabilities", "capabilities", Raw::None),
    case("slack", "list", "items?channel=C01GEN", Raw::List(ITEMS, "slack/history", "/messages")),
    case("slack", "get", "items/C01GEN:1763735400.000200", Raw::One(ITEM, "slack/history", "/messages/0")),
    case("slack", "search", "search?query=plan", Raw::List(ITEMS, "slack/found", "/messages/matches")),
    case("slack", "channels", "channels", Raw::List("/result/channels", "slack/channels", "/channels")),
    case("slack", "channel", "channels/C01GEN", Raw::One("/result/channel", "slack/channel", "/channel")),
    case(
        "slack",
        "messages",
        "channels/C01GEN/messages",
        Raw::List("/result/messages", "slack/history", "/messages"),
    ),
    case("slack", "users", "users", Raw::List("/result/users", "slack/users", "/members")),
    case("jira", "capabilities", "capabilities", Raw::None),
    case("jira", "list", "items", Raw::List(ITEMS, "jira/search", "/issues")),
    case("jira", "get", "items/10007", Raw::One(ITEM, "jira/issue", "")),
    case("jira", "projects", "projects", Raw::List("/result/projects", "jira/projects", "/values")),
    case("jira", "project", "projects/10000", Raw::One("/result/project", "jira/project", "")),
    case("jira", "summary", "projects/10000/summary", Raw::None),
    case("jira", "issues", "projects/10000/issues", Raw::List("/result/issues", "jira/search", "/issues")),
    case("jira", "issue", "issues/10007", Raw::One("/result/issue", "jira/issue", "")),
    case("jira", "my_issues", "my-issues", Raw::List("/result/issues", "jira/search", "/issues")),
    case(
        "jira",
        "comments",
        "items/ACME-7/comments",
        Raw::List("/result/comments", "jira/comments", "/comments"),
    ),
    case("confluence", "capabilities", "capabilities", Raw::None),
    case("confluence", "list", "items?max_results=2", Raw::List(ITEMS, "confluence/pages", "/results")),
    case(
        "confluence",
        "search",
        "search?query=plan",
        Raw::One("/result/items/0", "confluence/pages", "/results/0"),
    ),
    case("confluence", "get", "items/163841", Raw::One(ITEM, "confluence/page", "")),
    case(
        "confluence",
        "containers",
        "containers",
        Raw::List("/result/containers", "confluence/spaces", "/results"),
    ),
    case(
        "confluence",
        "comments",
        "items/163841/comments",
        Raw::List("/result/comments", "confluence/comments", "/results"),
    ),
    case("bitbucket", "capabilities", "capabilities", Raw::None),
    case("bitbucket", "list", "items?workspace=acme", Raw::List(ITEMS, "bitbucket/repositories", "/values")),
    case(
        "bitbucket",
        "list_of_all_workspaces",
        "items",
        Raw::List(ITEMS, "bitbucket/repositories", "/values"),
    ),
    case(
        "bitbucket",
        "list_of_pull_requests",
        "items?repository=acme:site",
        Raw::List(ITEMS, "bitbucket/pull_requests", "/values"),
    ),
    case("bitbucket", "get", "items/acme:site", Raw::One(ITEM, "bitbucket/repository", "")),
    case("bitbucket", "get_pull_request", "items/acme:site:12", Raw::One(ITEM, "bitbucket/pull_request", "")),
    case(
        "bitbucket",
        "containers",
        "containers",
        Raw::List("/result/containers", "bitbucket/workspaces", "/values"),
    ),
    case("bitbucket", "comments", TALK, Raw::List("/result/comments", "bitbucket/comments", "/values")),
    case("github", "capabilities", "capabilities", Raw::None),
    case("github", "list", "items", Raw::List(ITEMS, "github/repositories", "")),
    case("github", "search", "search?query=shop", Raw::List(ITEMS, "github/found", "/items")),
    case("github", "get", "items/acme:shop", Raw::One(ITEM, "github/repository", "")),
    case("github", "projects", "projects", Raw::List("/result/projects", "github/repositories", "")),
    case("github", "project", "projects/acme:shop", Raw::One("/result/project", "github/repository", "")),
    case("github", "summary", "projects/acme:shop/summary", Raw::None),
    case("github", "issues", "projects/acme:shop/issues", Raw::List("/result/issues", "github/issues", "")),
    case("github", "issue", "issues/acme:shop:7", Raw::One("/result/issue", "github/issue", "")),
    case("github", "my_issues", "my-issues", Raw::List("/result/issues", "github/issues", "")),
    case(
        "github",
        "comments",
        "items/acme:shop:7/comments",
        Raw::List("/result/comments", "github/comments", ""),
    ),
];
