//! `jackfield lexmodo customers`, as an operator runs it beside the server.

use std::process::Output;

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, Builder};

use super::{CUSTOMERS, Mall, all_ids};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(
    all_customers_of_one_store_are_printed,
    what_is_wrong_is_told_by_words_and_exit_code,
    a_listing_that_breaks_off_says_so,
);

async fn run(builder: &Builder, arguments: &[&str]) -> Output {
    let mut command = builder.command(&["lexmodo", "customers"]);
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn mall(backend: Backend) -> (Mall, Builder) {
    let mut kept = None;
    let mall = Mall::connected_with(backend, |builder| {
        kept = Some(builder.clone());
        builder
    });
    (mall.await, kept.unwrap())
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn ids(lines: &str) -> Vec<String> {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["customer_id"].as_str().unwrap().to_owned()).collect()
}

async fn all_customers_of_one_store_are_printed(backend: Backend) {
    let (mall, builder) = mall(backend).await;
    let (code, lines, notes) = told(&run(&builder, &["--store", "7", "--json"]).await);
    assert_eq!(code, Some(0), "{notes}");
    assert_eq!(ids(&lines), all_ids(7));
    assert!(notes.contains(&format!("{CUSTOMERS} customers")), "{notes}");

    let (code, text, notes) = told(&run(&builder, &["--store", "8", "--rule", "8-000003"]).await);
    let (all_code, all, _) = told(&run(&builder, &["--store", "8"]).await);
    assert_eq!((code, all_code), (Some(0), Some(0)), "{notes}");
    assert_eq!(all.lines().count(), usize::try_from(CUSTOMERS).unwrap());
    assert!(all.lines().all(|line| line.starts_with("8-")), "{all}");
    assert!(text.lines().count() < all.lines().count(), "{text}");

    let activity = mall.deployment.request_as(
        "lexmodo:7",
        Role::Admin,
        Method::GET,
        "/api/v1/unified/activity?action=use",
    );
    let activity = Answer::of(activity).await.expect(200);
    let by_hand: Vec<&Value> = activity["activity"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["actor"] == "operator")
        .collect();
    assert_eq!(by_hand.len(), 1, "{activity:#}");
}

async fn what_is_wrong_is_told_by_words_and_exit_code(backend: Backend) {
    let (_mall, builder) = mall(backend).await;
    let (code, lines, notes) = told(&run(&builder, &["--store", "9", "--json"]).await);
    assert_eq!((code, lines.as_str()), (Some(1), ""));
    assert!(
        notes.contains("no connection to Lexmodo") || notes.contains("no connection to lexmodo"),
        "{notes}"
    );
    for wrong in [&["--store", "0"][..], &["--store", "-1"], &["--store", "seven"], &[]] {
        assert_eq!(told(&run(&builder, wrong).await).0, Some(2), "{wrong:?}");
    }
    let bare = crate::server();
    std::fs::create_dir_all(bare.folder().join("data")).unwrap();
    let (code, _, notes) = told(&run(&bare, &["--store", "7"]).await);
    assert!(code == Some(1) || code == Some(2), "{notes}");
    assert!(!notes.contains("panicked"), "{notes}");
}

async fn a_listing_that_breaks_off_says_so(backend: Backend) {
    let (mall, builder) = mall(backend).await;
    mall.platform.behave(json!({"failure": "the shop is closed", "times": 1})).await.unwrap();
    let (code, lines, notes) = told(&run(&builder, &["--store", "7", "--json"]).await);
    assert_eq!((code, lines.as_str()), (Some(1), ""));
    assert!(notes.contains("the shop is closed"), "{notes}");

    mall.platform.behave(json!({"expire_pit_after": 1})).await.unwrap();
    let (code, lines, notes) = told(&run(&builder, &["--store", "7", "--json"]).await);
    let printed = ids(&lines);
    assert_eq!((code, &printed[..]), (Some(1), &all_ids(7)[..printed.len()]));
    assert!(!printed.is_empty() && printed.len() < all_ids(7).len(), "{}", printed.len());
    assert!(notes.contains(&format!("broke off after {} customers", printed.len())), "{notes}");
}
