//! The broker that connectors work with, on a database in a temporary folder.

use connections::catalog::{Catalog, Discovery};
use connections::protocol::{Http, HttpConfig};
use connections::{Connections, vault};
use connectors::Parts;
use connectors::proxy::Rules;
use model::Ambient;
use storage::{Database, DatabaseUrl, MasterKey, Sealer};
use tempfile::TempDir;

/// 32 bytes in base64.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What connectors are made of, and the folder that goes with it. `file` are the operator's providers, `setting` the
/// operator's OAuth apps.
pub(crate) async fn house(
    file: &str,
    setting: &dyn Fn(&str) -> Option<String>,
    http: connectors::http::Settings,
) -> (Parts, TempDir) {
    let (folder, ambient) = (TempDir::new().unwrap(), Ambient::system());
    let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
    let migrations = [storage::MIGRATIONS, connections::MIGRATIONS];
    let database = Database::open(&url, &migrations, ambient.clone()).await.unwrap();
    let master = MasterKey::from_base64(&MASTER_KEY.into()).unwrap();
    let sealer = Sealer::open(&database, master, ambient.clone()).await.unwrap();
    let broker_http = Http::new(&HttpConfig::default(), ambient.clone()).unwrap();
    let tickets = sealer.tickets();
    let connections = Connections::new(connections::Parts {
        database,
        sealer,
        catalog: Catalog::load(&[], Some(file), setting).unwrap(),
        discovery: Discovery::new(broker_http.outward().clone(), ambient.clone()),
        http: broker_http,
        public_url: "http://localhost:4000".parse().unwrap(),
        token_reads: false,
        vault: vault::Settings::default(),
        ambient,
    });
    let http = connectors::http::Http::new(http, Ambient::system()).unwrap();
    (Parts { connections, tickets, http, lexmodo: None, proxy: Rules::default() }, folder)
}
