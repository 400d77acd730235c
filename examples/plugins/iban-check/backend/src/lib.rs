//! A plugin's backend as a WebAssembly component: `GET /ibans/{iban}` tells whether an account number can be right.
//!
//! Built into `../backend.wasm` by
//!
//! ```sh
//! rustup target add wasm32-wasip2
//! cargo build --release --locked --target wasm32-wasip2 --target-dir /tmp/iban-check
//! cp /tmp/iban-check/wasm32-wasip2/release/iban_check.wasm ../backend.wasm
//! ```

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct IbanCheck;

impl Guest for IbanCheck {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let iban = path.split('?').next().and_then(|path| path.strip_prefix("/ibans/"));
        let (status, json) = match (request.method(), iban.and_then(normal)) {
            (Method::Get, Some(iban)) => {
                let valid = is_valid(&iban);
                (200, format!(r#"{{"iban":"{iban}","valid":{valid}}}"#))
            }
            _ => (404, r#"{"error":"ask for GET /ibans/{iban}"}"#.to_owned()),
        };
        // The log of the plugin: who asks is told by headers that no caller can set.
        println!("{status} for tenant {}", header(&request, "x-jackfield-tenant"));
        answer(out, status, &json);
    }
}

/// The account number in capitals and without spaces; `None` for what is too short or too long for one, or has other characters.
fn normal(text: &str) -> Option<String> {
    let text = text.replace("%20", "").to_ascii_uppercase();
    let is_iban = (15..=34).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_iban.then_some(text)
}

/// Whether the check digits fit (ISO 13616, by ISO/IEC 7064, MOD 97-10).
fn is_valid(iban: &str) -> bool {
    let (head, rest) = iban.split_at(4);
    let digits = rest.chars().chain(head.chars()).filter_map(|character| character.to_digit(36));
    digits.fold(0, |sum, digit| (if digit < 10 { sum * 10 } else { sum * 100 } + digit) % 97) == 1
}

fn header(request: &IncomingRequest, name: &str) -> String {
    let values = request.headers().get(name);
    values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

fn answer(out: ResponseOutparam, status: u16, json: &str) {
    let headers = Fields::new();
    headers.set("content-type", &[b"application/json".to_vec()]).expect("it may be set");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("it is one");
    let body = response.body().expect("it is taken but once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("it is taken but once");
    stream.blocking_write_and_flush(json.as_bytes()).expect("it takes 4 KiB at once");
    drop(stream);
    OutgoingBody::finish(body, None).expect("no length was told");
}

wasip2::http::proxy::export!(IbanCheck);
