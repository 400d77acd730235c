//! Backpressure, hanging up, circles and what is on record.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connectors::{Error, Item, Items, Wanted};
use futures::StreamExt as _;
use model::{Coded as _, ErrorCode};

use super::archive::{World, asked, asker, away, page, paper, read, wanted};

/// Has everything that can go on go on: nothing here waits for anything but other tasks.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Pages of three papers, without end.
async fn endless() -> World {
    World::new(async |_, listing| {
        let number = asked(&listing);
        Ok(page(number * 3..number * 3 + 3, Some(number + 1)))
    })
    .await
}

#[tokio::test]
async fn the_vendor_is_asked_for_one_page_more_than_is_taken() {
    let world = endless().await;
    let mut stream = world.stream(None).await;
    settle().await;
    assert_eq!(world.calls(), 1, "the first page is had at once");
    for taken in 1..=5 {
        let papers = stream.next().await.unwrap().unwrap();
        assert_eq!(papers, (taken * 3 - 3..taken * 3).map(paper).collect::<Vec<_>>());
        settle().await;
        assert_eq!(world.calls(), taken + 1);
    }
    drop(stream);
    settle().await;
    assert_eq!(world.calls(), 6);
    assert_eq!(world.uses().await, [["archive.list.stream", "ok", "15 papers"]]);
}

#[tokio::test]
async fn who_hangs_up_ends_the_call_that_is_under_way() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let world = World::new(move |_, listing| {
        let held = Arc::clone(&held);
        async move {
            if asked(&listing) == 1 {
                std::future::pending::<()>().await;
            }
            drop(held);
            Ok(page(0..3, Some(1)))
        }
    });
    let world = world.await;
    let mut stream = world.stream(None).await;
    stream.next().await.unwrap().unwrap();
    settle().await;
    assert_eq!((world.calls(), Arc::strong_count(&alive)), (2, 3));
    drop(stream);
    settle().await;
    assert_eq!(Arc::strong_count(&alive), 2);
    assert_eq!(world.uses().await, [["archive.list.stream", "ok", "3 papers"]]);
}

#[tokio::test]
async fn who_hangs_up_before_the_first_page_had_nothing() {
    let world = World::new(async |_, _| std::future::pending::<Result<Items, Error>>().await).await;
    let mut stream = world.stream(None).await;
    settle().await;
    assert!(futures::poll!(stream.next()).is_pending());
    drop(stream);
    let told = ["archive.list.stream", "failed", "nobody waited for the end"];
    assert_eq!((world.calls(), world.uses().await), (1, vec![told.map(str::to_owned)]));
}

#[tokio::test]
async fn a_whole_list_is_one_use_with_its_count() {
    // Short, empty, of one's own size; some again at the borders, and one twice on the same page.
    let pages: [&[usize]; 6] = [&[], &[0, 1], &[1, 2, 3], &[], &[3, 3, 4], &[2, 5]];
    let world = World::new(move |_, listing| async move {
        assert_eq!(listing.max_results, 3);
        let number = asked(&listing);
        Ok(page(pages[number].to_vec(), Some(number + 1).filter(|next| *next < pages.len())))
    });
    let world = world.await;
    let (papers, interrupted) = read(world.stream(None).await).await;
    assert!(interrupted.is_none() && papers == [0, 1, 2, 3, 4, 5], "{papers:?} {interrupted:?}");
    assert_eq!(world.calls(), pages.len());
    assert_eq!(world.uses().await, [["archive.list.stream", "ok", "6 papers"]]);
}

#[tokio::test]
async fn what_breaks_off_is_gone_on_with_by_its_token() {
    let troubles = Arc::new(AtomicUsize::new(2));
    let world = World::new(move |_, listing| {
        let troubles = Arc::clone(&troubles);
        async move {
            let number = asked(&listing);
            let countdown = |left: usize| left.checked_sub(1);
            if number == 2 && troubles.fetch_update(Ordering::SeqCst, Ordering::SeqCst, countdown).is_ok() {
                return Err(away());
            }
            // The last of each page is the first of the next.
            Ok(page(number * 3..number * 3 + 4, Some(number + 1).filter(|next| *next < 4)))
        }
    });
    let world = world.await;
    let (first, interrupted) = read(world.stream(None).await).await;
    let interrupted = interrupted.unwrap();
    assert_eq!((first, interrupted.code()), ((0..7).collect(), ErrorCode::UpstreamUnavailable));
    assert!(std::error::Error::source(&interrupted).is_none() && interrupted.to_string().contains("moved"));
    // The first page fails again: the token is as good as before.
    let (none, again) = read(world.stream(interrupted.next_page_token.clone()).await).await;
    assert!(none.is_empty() && again.unwrap().next_page_token.is_some());
    let (rest, whole) = read(world.stream(interrupted.next_page_token).await).await;
    assert!(whole.is_none() && rest == (7..13).collect::<Vec<_>>(), "{rest:?}");
    let mut uses = world.uses().await;
    // All may be of the same millisecond.
    uses.sort();
    let told = |outcome: &str, detail: &str| ["archive.list.stream", outcome, detail].map(str::to_owned);
    assert_eq!(uses, [told("failed", "0 papers"), told("failed", "7 papers"), told("ok", "6 papers")]);
}

#[tokio::test]
async fn a_circle_ends_and_leads_nowhere() {
    for length in [1, 2, 5] {
        let world = World::new(move |_, listing| async move {
            let number = asked(&listing);
            Ok(page(number * 3..number * 3 + 3, Some((number + 1) % length)))
        });
        let world = world.await;
        let (papers, interrupted) = read(world.stream(None).await).await;
        let interrupted = interrupted.unwrap();
        assert_eq!(papers, (0..length * 3).collect::<Vec<_>>());
        assert!(interrupted.error.to_string().contains("circle"), "{interrupted}");
        assert_eq!(interrupted.next_page_token, None);
        assert!(world.calls() <= length * 2 + 1, "{}", world.calls());
    }
}

#[tokio::test]
async fn the_same_papers_under_ever_new_cursors_are_a_circle_too() {
    let world = World::new(async |_, listing| Ok(page(0..3, Some(asked(&listing) + 1)))).await;
    let (papers, interrupted) = read(world.stream(None).await).await;
    let interrupted = interrupted.unwrap();
    assert_eq!((papers, interrupted.next_page_token), (vec![0, 1, 2], None));
    assert!(interrupted.error.to_string().contains("circle"), "{}", interrupted.error);
    assert_eq!(world.calls(), 102);
}

#[tokio::test]
async fn a_hundred_empty_pages_are_passed_over_and_more_are_for_the_caller_to_decide() {
    let world = World::new(async |_, listing| {
        let number = asked(&listing);
        let papers = if number.is_multiple_of(101) { number..number + 1 } else { 0..0 };
        Ok(page(papers, Some(number + 1).filter(|next| *next < 350)))
    });
    let world = world.await;
    let (papers, interrupted) = read(world.stream(None).await).await;
    assert!(interrupted.is_none() && papers == [0, 101, 202, 303], "{interrupted:?}");

    let none = World::new(async |_, listing| Ok(page([], Some(asked(&listing) + 1)))).await;
    let (papers, interrupted) = read(none.stream(None).await).await;
    let interrupted = interrupted.unwrap();
    assert!(papers.is_empty() && interrupted.code() == ErrorCode::UpstreamUnavailable);
    assert!(interrupted.to_string().contains("101 pages"), "{interrupted}");
    assert_eq!(none.calls(), 101);
    let (_, again) = read(none.stream(interrupted.next_page_token).await).await;
    assert!(again.is_some() && none.calls() == 202, "{}", none.calls());
}

#[tokio::test]
async fn what_has_no_id_is_never_taken_for_another() {
    let world = World::new(async |_, listing| {
        let number = asked(&listing);
        let nameless = || Item { title: Some(format!("page {number}")), ..Item::default() };
        let items = vec![nameless(), nameless()];
        Ok(Items { items, total: None, next: (number < 2).then(|| (number + 1).to_string()) })
    });
    let world = world.await;
    let pages: Vec<_> = world.stream(None).await.map(|page| page.unwrap().len()).collect().await;
    assert_eq!(pages, [2, 2, 2]);
}

#[tokio::test]
async fn each_page_has_the_time_of_an_operation() {
    let world = World::new(async |_, listing| {
        let number = asked(&listing);
        let minutes = if number == 3 { 60 } else { 0 };
        tokio::time::sleep(Duration::from_secs(20) + Duration::from_mins(minutes)).await;
        Ok(page([number], Some(number + 1)))
    });
    let world = world.await;
    let stream = world.stream(None).await;
    // From here on nothing but the archive is waited for.
    tokio::time::pause();
    let (papers, interrupted) = read(stream).await;
    let interrupted = interrupted.unwrap();
    assert_eq!(papers, [0, 1, 2], "they took a minute together");
    assert_eq!(interrupted.code(), ErrorCode::UpstreamTimeout);
    assert!(interrupted.next_page_token.is_some());
}

#[tokio::test]
async fn what_can_be_refused_is_refused_before_anything_is_called() {
    let world = endless().await;
    let ann = asker("acme", "ann");
    let refused = async |asker, id, query, wanted: Wanted| {
        world.connectors.stream_items(asker, id, query, &wanted).await.map(drop).unwrap_err().code()
    };
    let unknown = Wanted { parameters: vec![("colour".into(), "red".into())], ..wanted() };
    assert_eq!(refused(&ann, "archive", None, unknown).await, ErrorCode::InvalidRequest);
    let token = Wanted { page_token: Some("nonsense".into()), ..wanted() };
    assert_eq!(refused(&ann, "archive", None, token).await, ErrorCode::InvalidRequest);
    assert_eq!(refused(&ann, "attic", None, wanted()).await, ErrorCode::NotFound);
    assert_eq!(refused(&ann, "archive", Some("q"), wanted()).await, ErrorCode::InsufficientScope);
    let nobody = asker("acme", "carol");
    assert_eq!(refused(&nobody, "archive", None, wanted()).await, ErrorCode::ConnectionRequired);
    assert_eq!(world.calls(), 0);
    assert_eq!(world.uses().await, [["archive.search", "denied", ""]]);
}
