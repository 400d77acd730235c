//! A workspace that Ann has connected.

use std::collections::BTreeMap;

use connections::{Begin, Connections};
use connectors::communication::{Channel, Conversation, NewMessage};
use connectors::http::Settings;
use connectors::{Connectors, Error, Item, Items, Wanted};
use tempfile::TempDir;
use testkit::Emulate;
use url::Url;

use crate::caller::{ann, complete, wanted};
use crate::house::house;

/// All that a bot may be granted there.
pub(super) const BOT: &[&str] =
    &["channels:read", "channels:history", "groups:read", "groups:history", "chat:write", "users:read"];

/// Connectors, and a Slack.
pub(super) struct Workspace {
    pub(super) connectors: Connectors,
    connections: Connections,
    emulate: Emulate,
    _folder: TempDir,
}

impl Workspace {
    /// With the emulated API, connected with these scopes.
    pub(super) async fn new(bot: &[&str], user: &[&str]) -> Self {
        Self::at(None, bot, user).await
    }

    /// With the API at `root` instead.
    pub(super) async fn at(root: Option<&Url>, bot: &[&str], user: &[&str]) -> Self {
        let emulate = Emulate::start(&["http://localhost:4000/api/v1/unified/auth/slack/callback"]).unwrap();
        let base = emulate.slack();
        let file = format!(
            "[providers.slack]\nauthorization_url = \"{base}/oauth/v2/authorize\"\n\
             token_url = \"{base}/api/oauth.v2.access\"\ntoken_auth = \"client_secret_post\"\n"
        );
        let setting = |name: &str| match name {
            "SLACK_CLIENT_ID" => Some(Emulate::CLIENT_ID.to_owned()),
            "SLACK_CLIENT_SECRET" => Some(Emulate::CLIENT_SECRET.to_owned()),
            _ => None,
        };
        let root = root.cloned().unwrap_or_else(|| Url::parse(&format!("{base}/api")).unwrap());
        let settings = Settings { base_urls: [("slack".to_owned(), root)].into(), ..Settings::default() };
        let (parts, folder) = house(&file, &setting, settings).await;
        let connections = parts.connections.clone();
        let world = Self { connectors: Connectors::new(parts), connections, emulate, _folder: folder };
        world.connect(bot, user).await;
        world
    }

    async fn connect(&self, bot: &[&str], user: &[&str]) {
        let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
        let further =
            if user.is_empty() { BTreeMap::new() } else { [("user".to_owned(), scopes(user))].into() };
        let what = Begin {
            tenant: "acme".parse().unwrap(),
            actor: "u1".into(),
            provider: "slack".into(),
            user_email: Some("ann@acme.example".into()),
            scopes: scopes(bot),
            further_scopes: further,
            return_to: None,
            app_state: None,
            variables: BTreeMap::new(),
            session: None,
        };
        let begun = self.connections.begin(what, None).await.unwrap();
        let back = self.emulate.consent(begun.auth_url.as_str(), Emulate::ANN).await.unwrap();
        complete(&self.connections, "slack", &back).await;
    }

    pub(super) async fn channels(&self, wanted: &Wanted) -> Vec<Channel> {
        self.connectors.channels(&ann(), "slack", wanted).await.unwrap().result.items
    }

    /// The id of the channel of this name.
    pub(super) async fn id(&self, name: &str) -> String {
        let channels = self.channels(&wanted(100)).await;
        channels.into_iter().find(|channel| channel.name.as_deref() == Some(name)).unwrap().id
    }

    pub(super) async fn messages(&self, channel: &str, thread: Option<&str>) -> Result<Items, Error> {
        let of = Conversation { channel: channel.to_owned(), thread: thread.map(str::to_owned) };
        Ok(self.connectors.messages(&ann(), "slack", &of, &wanted(100)).await?.result)
    }

    pub(super) async fn send(&self, channel: &str, text: &str, thread: Option<&str>) -> Result<Item, Error> {
        let to = Conversation { channel: channel.to_owned(), thread: thread.map(str::to_owned) };
        let message = NewMessage { to, text: text.to_owned() };
        Ok(self.connectors.send_message(&ann(), "slack", &message).await?.result)
    }
}

pub(super) fn of_channel(channel: &str, more: &[(&str, &str)]) -> Wanted {
    let parameters = [("channel", channel)].into_iter().chain(more.iter().copied());
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Wanted { max_results: 50, parameters, ..Wanted::default() }
}
