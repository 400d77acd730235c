//! The contract of blob stores, held against each of them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage::{BlobKey, Blobs, Error, Folder};
use tempfile::TempDir;
use testkit::S3;
use tokio::task::JoinSet;

/// A store that is empty.
struct Store {
    blobs: Arc<dyn Blobs>,
    folder: Option<TempDir>,
    _s3: Option<S3>,
}

impl Store {
    async fn folder() -> Self {
        let folder = TempDir::new().unwrap();
        let blobs = Arc::new(Folder::open(folder.path()).await.unwrap());
        Self { blobs, folder: Some(folder), _s3: None }
    }

    fn s3() -> Self {
        let s3 = S3::start().unwrap();
        let blobs = Arc::new(storage::S3::new(&s3.config().unwrap()).unwrap());
        Self { blobs, folder: None, _s3: Some(s3) }
    }
}

macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod on_a_folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Store::folder().await).await;
            })*
        }
        mod on_s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Store::s3()).await;
            })*
        }
    };
}

on_both_stores!(
    what_is_put_is_got,
    the_last_put_stands,
    what_is_absent_is_absent,
    what_is_deleted_is_gone,
    many_at_once_do_not_mix,
    folders_come_and_go_under_writers,
    readers_see_whole_blobs_only,
    a_store_in_order_says_so,
);

fn key(text: &str) -> BlobKey {
    text.parse().unwrap()
}

async fn what_is_put_is_got(Store { blobs, folder, .. }: Store) {
    let big: Vec<u8> = (0_u32..6_000_000).map(|number| number.to_le_bytes()[(number % 3) as usize]).collect();
    for (name, content) in [
        ("plugins/card/1.0.0-beta.1/01JABC/index-5f.js.br", b"content".to_vec()),
        ("a", (0..=255).collect()),
        ("a-b/c_d/E.f", Vec::new()),
        ("big", big),
    ] {
        blobs.put(&key(name), content.clone().into()).await.unwrap();
        assert!(blobs.get(&key(name)).await.unwrap().unwrap() == content, "{name}");
    }
    if let Some(folder) = &folder {
        assert_eq!(fs::read_dir(folder.path().join(".drafts")).unwrap().count(), 0, "no draft is left");
        let again = Folder::open(folder.path()).await.unwrap();
        assert_eq!(again.get(&key("a")).await.unwrap().unwrap().len(), 256);
    }
}

async fn the_last_put_stands(Store { blobs, .. }: Store) {
    for content in ["first, and longer", "second", ""] {
        blobs.put(&key("a/b"), content.into()).await.unwrap();
        assert_eq!(blobs.get(&key("a/b")).await.unwrap().unwrap(), content);
    }
}

async fn what_is_absent_is_absent(Store { blobs, .. }: Store) {
    blobs.put(&key("a/b.js"), "content".into()).await.unwrap();
    for name in ["none", "a/none.js", "a/b.js.br", "none/at/all"] {
        assert_eq!(blobs.get(&key(name)).await.unwrap(), None, "{name}");
        blobs.delete(&key(name)).await.unwrap();
    }
    assert_eq!(blobs.get(&key("a/b.js")).await.unwrap().unwrap(), "content");
}

async fn what_is_deleted_is_gone(Store { blobs, folder, .. }: Store) {
    for name in ["a/b/one", "a/b/two", "a/three"] {
        blobs.put(&key(name), name.into()).await.unwrap();
    }
    for _ in 0..2 {
        blobs.delete(&key("a/b/one")).await.unwrap();
        assert_eq!(blobs.get(&key("a/b/one")).await.unwrap(), None);
    }
    assert_eq!(blobs.get(&key("a/b/two")).await.unwrap().unwrap(), "a/b/two");
    blobs.delete(&key("a/b/two")).await.unwrap();
    blobs.delete(&key("a/three")).await.unwrap();
    if let Some(folder) = &folder {
        assert!(!folder.path().join("a").exists(), "no empty folder is left");
    }
    blobs.put(&key("a/b/one"), "again".into()).await.unwrap();
    assert_eq!(blobs.get(&key("a/b/one")).await.unwrap().unwrap(), "again");
}

async fn many_at_once_do_not_mix(Store { blobs, .. }: Store) {
    let mut tasks = JoinSet::new();
    for number in 0..100_u32 {
        let blobs = Arc::clone(&blobs);
        tasks.spawn(async move {
            // All in few folders, which come and go meanwhile.
            let key = key(&format!("shared/{}/{number}", number % 3));
            let content = Bytes::from(format!("{number} ").repeat(1000));
            blobs.put(&key, content.clone()).await.unwrap();
            assert_eq!(blobs.get(&key).await.unwrap().unwrap(), content);
            if number % 2 == 0 {
                blobs.delete(&key).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for number in 0..100_u32 {
        let found = blobs.get(&key(&format!("shared/{}/{number}", number % 3))).await.unwrap();
        assert_eq!(found.is_some(), number % 2 == 1, "{number}");
    }
}

async fn folders_come_and_go_under_writers(Store { blobs, .. }: Store) {
    let mut tasks = JoinSet::new();
    for writer in 0..4 {
        let blobs = Arc::clone(&blobs);
        tasks.spawn(async move {
            for round in 0..60 {
                // A delete takes the empty folders above with it, which another is about to write below.
                let key = key(&format!("plugins/card/1.0.0/{writer}-{round}/index.js"));
                blobs.put(&key, "content".into()).await.unwrap();
                assert_eq!(blobs.get(&key).await.unwrap().unwrap(), "content");
                blobs.delete(&key).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

async fn readers_see_whole_blobs_only(Store { blobs, .. }: Store) {
    let contents = [Bytes::from(vec![b'a'; 300_000]), Bytes::from(vec![b'b'; 200_000])];
    blobs.put(&key("hot"), contents[0].clone()).await.unwrap();
    let writing = {
        let (blobs, contents) = (Arc::clone(&blobs), contents.clone());
        tokio::spawn(async move {
            for content in contents.iter().cycle().take(30) {
                blobs.put(&key("hot"), content.clone()).await.unwrap();
            }
        })
    };
    while !writing.is_finished() {
        let found = blobs.get(&key("hot")).await.unwrap().unwrap();
        assert!(contents.contains(&found), "{} bytes, neither the one nor the other", found.len());
    }
    writing.await.unwrap();
}

async fn a_store_in_order_says_so(Store { blobs, .. }: Store) {
    blobs.check().await.unwrap();
    blobs.put(&key("a"), "content".into()).await.unwrap();
    blobs.check().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_gone_says_so() {
    let folder = TempDir::new().unwrap();
    let blobs = Folder::open(folder.path().join("blobs")).await.unwrap();
    fs::remove_dir_all(folder.path().join("blobs")).unwrap();
    assert!(matches!(blobs.check().await, Err(Error::Blobs(_))));
    assert!(matches!(blobs.put(&key("a"), "content".into()).await, Err(Error::Blobs(_))));
    assert_eq!(blobs.get(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_on_the_way_is_an_absence_in_a_folder() {
    let folder = TempDir::new().unwrap();
    let blobs = Folder::open(folder.path()).await.unwrap();
    blobs.put(&key("a/b.js"), "content".into()).await.unwrap();
    for name in ["a/b.js/below", "a"] {
        assert_eq!(blobs.get(&key(name)).await.unwrap(), None, "{name}");
        blobs.delete(&key(name)).await.unwrap();
    }
    assert_eq!(blobs.get(&key("a/b.js")).await.unwrap().unwrap(), "content");
}

#[tokio::test]
async fn a_wrong_access_key_says_so() {
    let s3 = S3::start().unwrap();
    let wrong = storage::S3Config { secret_access_key: "hush".into(), ..s3.config().unwrap() };
    let blobs = storage::S3::new(&wrong).unwrap();
    let refused = blobs.check().await.unwrap_err();
    assert!(matches!(refused, Error::Blobs(_)), "{refused:?}");
    assert!(matches!(blobs.put(&key("a"), "content".into()).await, Err(Error::Blobs(_))));
    assert!(matches!(blobs.get(&key("a")).await, Err(Error::Blobs(_))));
    assert!(!format!("{wrong:?} {refused:?}").contains("hush"));
}

#[tokio::test]
async fn a_server_that_is_away_says_so_in_time() {
    let gone = S3::start().unwrap();
    let config = gone.config().unwrap();
    drop(gone);
    let blobs = storage::S3::new(&config).unwrap();
    let checked = tokio::time::timeout(Duration::from_secs(30), blobs.check()).await;
    assert!(matches!(checked.expect("an answer in time"), Err(Error::Blobs(_))));
}
