//! Where a stream is gone on with: by whom, and for what.

use connectors::connector::Listing;
use connectors::{Asker, Context, Error, Items, Wanted};
use model::{Coded as _, ErrorCode};

use super::archive::{World, asked, asker, away, page, read, wanted};

/// Ten pages of three papers, of which the third is never had in a stream's own size.
async fn broken(_: Context, listing: Listing) -> Result<Items, Error> {
    let number = asked(&listing);
    if number == 2 && listing.max_results == 3 && listing.filter("case") == Some("1") {
        return Err(away());
    }
    Ok(page(number * 3..number * 3 + 3, Some(number + 1).filter(|next| *next < 10)))
}

fn of_case(case: &str) -> Wanted {
    Wanted { parameters: vec![("case".into(), case.into())], ..wanted() }
}

async fn token(world: &World) -> String {
    let ann = asker("acme", "ann");
    let done = world.connectors.stream_items(&ann, "archive", None, &of_case("1")).await.unwrap();
    let (papers, interrupted) = read(Box::pin(done.result)).await;
    assert_eq!(papers, (0..6).collect::<Vec<_>>());
    interrupted.unwrap().next_page_token.unwrap()
}

async fn refused(world: &World, asker: &Asker, wanted: Wanted) {
    let streamed = world.connectors.stream_items(asker, "archive", None, &wanted).await.map(drop);
    let listed = world.connectors.list_items(asker, "archive", &wanted).await.map(drop);
    for refused in [streamed.unwrap_err(), listed.unwrap_err()] {
        assert!(matches!(refused, Error::PageToken { .. }), "{refused}");
        assert_eq!(refused.code(), ErrorCode::InvalidRequest);
    }
}

#[tokio::test]
async fn a_token_is_of_use_to_its_own_list_alone() {
    let world = World::new(broken).await;
    let token = token(&world).await;
    let calls = world.calls();
    let with = |case: &str, token: &str| Wanted { page_token: Some(token.to_owned()), ..of_case(case) };
    for (tenant, user) in [("acme", "bob"), ("other", "ann")] {
        refused(&world, &asker(tenant, user), with("1", &token)).await;
    }
    let ann = asker("acme", "ann");
    refused(&world, &ann, with("2", &token)).await;
    refused(&world, &ann, Wanted { parameters: Vec::new(), ..with("1", &token) }).await;
    for cut in [&token[..token.len() - 1], &token[1..], &token[..20]] {
        refused(&world, &ann, with("1", cut)).await;
    }
    assert_eq!(world.calls(), calls, "nothing of it got through");
}

#[tokio::test]
async fn pages_and_streams_go_on_where_the_other_ended() {
    let world = World::new(broken).await;
    let ann = asker("acme", "ann");
    let with = |token: Option<String>, size| Wanted { page_token: token, max_results: size, ..of_case("1") };
    // Neither the size of the page nor whether the vendor's answer is wanted belongs to the place.
    let raw = Wanted { raw: true, ..with(Some(token(&world).await), 4) };
    let listed = world.connectors.list_items(&ann, "archive", &raw).await.unwrap().result;
    assert_eq!(listed.items[0].id, "paper-6");
    let done =
        world.connectors.stream_items(&ann, "archive", None, &with(listed.next, 2)).await.unwrap().result;
    let (papers, interrupted) = read(Box::pin(done)).await;
    assert!(interrupted.is_none() && papers == (9..30).collect::<Vec<_>>(), "{papers:?}");
}
