//! The page on adding a connector shows code that is there, and the registry is as it says.

use std::fs;
use std::path::{Path, PathBuf};

use connectors::Connectors;
use connectors::http::Settings;

use crate::house::house;

/// Where its pieces are taken from.
const SOURCES: [&str; 3] = ["src/notes.rs", "src/lib.rs", "tests/it/github/repositories.rs"];

fn read(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_piece_of_rust_stands_in_the_sources() {
    let (page, sources) = (read("../../docs/add-a-connector.md"), SOURCES.map(read));
    let pieces: Vec<&str> =
        page.split("```rust\n").skip(1).map(|piece| piece.split("```").next().unwrap()).collect();
    assert!(pieces.len() > 10, "the page shows a whole connector");
    for piece in pieces {
        assert!(
            sources.iter().any(|source| source.contains(piece)),
            "this is in none of {SOURCES:?}:\n{piece}"
        );
    }
}

#[test]
fn every_file_that_it_links_is_there() {
    let page = read("../../docs/add-a-connector.md");
    let links: Vec<&str> = page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 10);
    for link in links {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(link);
        assert!(path.exists(), "{link}");
    }
}

#[tokio::test]
async fn connectors_stand_in_the_order_of_their_names() {
    let (parts, _folder) = house("", &|_| None, Settings::default()).await;
    let listed = Connectors::new(parts).list(&"acme".parse().unwrap()).await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|info| info.description.id).collect();
    assert!(ids.is_sorted_by(|left, right| left < right), "{ids:?}");
}
