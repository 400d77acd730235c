//! `Accept-Encoding` (RFC 9110, section 12.5.3).

use http::{HeaderMap, header};
use registry::Encoding;

/// The coding to answer in: of those kept, the one that the client likes best, and of several alike the smallest.
/// `None` if the client refuses all of them.
pub(super) fn choose(headers: &HeaderMap, is_kept: impl Fn(Encoding) -> bool) -> Option<Encoding> {
    // Several lines are one list (RFC 9110, section 5.3); what cannot be read is as good as nothing said.
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let accepted = lines.collect::<Vec<_>>().join(",");
    let accepted = accepted.as_str();
    let mut best: Option<(Encoding, u16)> = None;
    for encoding in Encoding::COMPRESSED.into_iter().filter(|encoding| is_kept(*encoding)) {
        let quality = quality(accepted, encoding.as_str()).unwrap_or(0);
        if quality > 0 && best.is_none_or(|(_, so_far)| quality > so_far) {
            best = Some((encoding, quality));
        }
    }
    // Identity is always acceptable unless it is refused in so many words.
    let identity = quality(accepted, "identity");
    match best {
        Some((encoding, quality)) if identity.is_none_or(|identity| quality >= identity) => Some(encoding),
        _ if identity != Some(0) => Some(Encoding::Identity),
        best => best.map(|(encoding, _)| encoding),
    }
}

/// The weight of a coding in thousandths, by its name or by `*`; `None` if neither is there.
fn quality(accepted: &str, coding: &str) -> Option<u16> {
    let mut any = None;
    for part in accepted.split(',') {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case(coding) {
            return Some(weight(parameters));
        }
        if name == "*" {
            any = Some(weight(parameters));
        }
    }
    // `*` covers identity only to refuse it.
    any.filter(|weight| coding != "identity" || *weight == 0)
}

/// `q=0.5` as 500; 1000 where it is left out or unreadable.
fn weight(parameters: &str) -> u16 {
    let first = parameters.split(';').next().unwrap_or_default();
    let Some((name, value)) = first.split_once('=') else { return 1000 };
    if !name.trim().eq_ignore_ascii_case("q") {
        return 1000;
    }
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let thousandths: u16 =
        format!("{fraction:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    match whole {
        "0" => thousandths,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(accepted: &str) -> Option<Encoding> {
        let value = HeaderValue::from_str(accepted).unwrap();
        choose(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]), |_| true)
    }

    #[test]
    fn the_smallest_of_what_is_liked_best_is_chosen() {
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", Some(Encoding::Brotli)),
            ("gzip, zstd", Some(Encoding::Zstd)),
            ("gzip", Some(Encoding::Gzip)),
            ("GZIP", Some(Encoding::Gzip)),
            ("br;q=0.5, gzip;q=0.8", Some(Encoding::Gzip)),
            ("br; q=0, *", Some(Encoding::Zstd)),
            ("*", Some(Encoding::Brotli)),
            ("", Some(Encoding::Identity)),
            ("identity", Some(Encoding::Identity)),
            ("identity;q=1, br;q=0.5", Some(Encoding::Identity)),
            ("deflate", Some(Encoding::Identity)),
            ("identity;q=0, br", Some(Encoding::Brotli)),
            ("br;q=0;more, gzip", Some(Encoding::Gzip)),
            ("identity;q=0", None),
            ("*;q=0", None),
        ] {
            assert_eq!(chosen(accepted), encoding, "{accepted:?}");
        }
        assert_eq!(choose(&HeaderMap::new(), |_| true), Some(Encoding::Identity));
        let mut lines = HeaderMap::new();
        lines.append(header::ACCEPT_ENCODING, HeaderValue::from_static("deflate"));
        lines.append(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(choose(&lines, |_| true), Some(Encoding::Gzip));
    }

    #[test]
    fn what_is_not_kept_is_not_chosen() {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("br, gzip"))]);
        assert_eq!(choose(&headers, |encoding| encoding != Encoding::Brotli), Some(Encoding::Gzip));
        assert_eq!(choose(&headers, |encoding| encoding == Encoding::Identity), Some(Encoding::Identity));
    }
}
