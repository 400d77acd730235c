//! Each status means what the contract says.

use model::{Coded as _, Timestamp};
use tonic::metadata::MetadataMap;

use super::*;

const CUSTOMER: Question<'static> = Question::Customer("7-000001");
const LISTING: Question<'static> = Question::Listing { rule_id: None };

fn error(status: Status) -> Error {
    Trouble::from(status).into_error(CUSTOMER, "the-token")
}

fn listing_error(code: Code, message: &str) -> Error {
    Trouble::from(Status::new(code, message)).into_error(LISTING, "the-token")
}

#[test]
fn every_status_has_its_code() {
    for (code, expected) in [
        (Code::Cancelled, ErrorCode::UpstreamUnavailable),
        (Code::Unknown, ErrorCode::UpstreamUnavailable),
        (Code::InvalidArgument, ErrorCode::UpstreamRejected),
        (Code::DeadlineExceeded, ErrorCode::UpstreamTimeout),
        (Code::NotFound, ErrorCode::NotFound),
        (Code::AlreadyExists, ErrorCode::UpstreamRejected),
        (Code::PermissionDenied, ErrorCode::InsufficientScope),
        (Code::ResourceExhausted, ErrorCode::UpstreamRateLimited),
        (Code::FailedPrecondition, ErrorCode::UpstreamRejected),
        (Code::Aborted, ErrorCode::UpstreamUnavailable),
        (Code::OutOfRange, ErrorCode::UpstreamRejected),
        (Code::Unimplemented, ErrorCode::UpstreamUnavailable),
        (Code::Internal, ErrorCode::UpstreamUnavailable),
        (Code::Unavailable, ErrorCode::UpstreamUnavailable),
        (Code::DataLoss, ErrorCode::UpstreamUnavailable),
        (Code::Unauthenticated, ErrorCode::ReauthorizationRequired),
    ] {
        assert_eq!(error(Status::new(code, "words")).code(), expected, "{code:?}");
    }
}

#[test]
fn only_unavailable_is_tried_again() {
    for code in 1..=16 {
        let trouble = Trouble::from(Status::new(Code::from_i32(code), ""));
        assert_eq!(trouble.is_passing(), trouble.code() == Code::Unavailable, "{code}");
    }
    assert!(!Trouble::Timeout.is_passing() && !Trouble::TooLarge.is_passing());
}

#[test]
fn a_deadline_that_the_channel_saw_first_is_one_too() {
    for error in [
        std::io::Error::other(TimeoutExpired(())),
        std::io::Error::other(std::io::Error::other(TimeoutExpired(()))),
    ] {
        let trouble = Trouble::from(Status::from_error(Box::new(error)));
        assert!(matches!(trouble, Trouble::Timeout), "{trouble:?}");
    }
}

#[test]
fn a_long_answer_is_told_from_a_busy_platform() {
    let text =
        error(Status::out_of_range(format!("{TOO_LARGE}: found 9 bytes, the limit is: 8 bytes"))).to_string();
    assert!(text.contains("LEXMODO_MAX_MESSAGE_SIZE"), "{text}");
    assert!(!error(Status::resource_exhausted("quota")).to_string().contains("LEXMODO_MAX_MESSAGE_SIZE"));
}

#[test]
fn the_platforms_words_are_passed_on_in_one_short_line() {
    let message = format!("first\r\n\u{1b}[31msecond \u{202e}the-token {}", "x".repeat(400));
    let Error::Upstream { detail, .. } = error(Status::invalid_argument(message)) else { panic!() };
    let words = detail.strip_prefix("the platform refused this: ").unwrap();
    assert!(words.starts_with("first [31msecond … xxx"), "{words}");
    assert_eq!(words.chars().count(), MAX_WORDS);
}

#[test]
fn how_long_to_wait_is_passed_on() {
    let wait = |status| error(status).retry_after(Timestamp::from_millisecond(0));
    let mut metadata = MetadataMap::new();
    metadata.insert("retry-after", "17".parse().unwrap());
    let by_metadata = || Status::with_metadata(Code::ResourceExhausted, "", metadata.clone());
    assert_eq!(wait(by_metadata()), Some(Duration::from_secs(17)));

    let delay = |seconds| prost_types::Duration { seconds, nanos: 500_000_000 };
    let detailed = |seconds| {
        let info = RetryInfo { retry_delay: Some(delay(seconds)) };
        let any = prost_types::Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() };
        let details = Details { details: vec![any] }.encode_to_vec();
        Status::with_details(Code::ResourceExhausted, "", details.into())
    };
    assert_eq!(wait(detailed(2)), Some(Duration::from_millis(2_500)));
    assert_eq!(wait(detailed(1_000_000_000)), Some(MAX_RETRY_AFTER));
    assert_eq!(wait(detailed(-5)), None);
    assert_eq!(wait(Status::with_details(Code::ResourceExhausted, "", vec![0xff, 1].into())), None);
}

#[test]
fn a_point_in_time_that_has_ended_is_told_from_other_refusals() {
    for code in [Code::NotFound, Code::FailedPrecondition, Code::InvalidArgument] {
        for message in ["point in time expired", "Unknown PIT", "pit: gone", "the point-in-time has ended"] {
            let error = listing_error(code, message);
            assert!(matches!(error, Error::PointInTimeGone { parameter: None }), "{code:?} {message}");
        }
        assert!(!matches!(listing_error(code, "pitiful rule"), Error::PointInTimeGone { .. }));
        assert!(!matches!(error(Status::new(code, "pit")), Error::PointInTimeGone { .. }));
    }
    assert!(matches!(refused("pit expired", LISTING, ""), Error::PointInTimeGone { .. }));
    assert!(!matches!(listing_error(Code::Internal, "pit"), Error::PointInTimeGone { .. }));
}

#[test]
fn what_is_missing_is_named() {
    let rule = Question::Listing { rule_id: Some(&"r".repeat(256)) };
    let error = Trouble::from(Status::not_found("no")).into_error(rule, "");
    let Error::NotFound { what: "rule", id } = error else { panic!("{error:?}") };
    assert_eq!(id.chars().count(), MAX_SHOWN_ID + 1);
    assert_eq!(listing_error(Code::NotFound, "no").code(), ErrorCode::UpstreamRejected);
}

#[test]
fn a_failure_that_means_nothing_is_there_is_known_in_any_spelling() {
    assert!(["not_found", "NOT_FOUND", "NotFound", "404"].into_iter().all(says_not_found));
    assert!(!["", "failed", "4041", "not_founded"].into_iter().any(says_not_found));
}
