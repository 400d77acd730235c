//! Messages as Gmail gives them out with `format=full`: text, HTML and an attachment that is fetched by itself.
//! <https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages#Message>

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

/// Midnight of 21 November 2025, UTC, in milliseconds. A message comes each minute.
const FIRST: usize = 1_763_683_200_000;
const MINUTE: usize = 60_000;

/// What the mail is made of.
const SENTENCES: [&str; 8] = [
    "The second delivery reached the warehouse on Thursday, and two of the eleven crates stand in the wrong aisle.",
    "Zoë has counted the shelves again: forty-one lamps are left of the brass ones, and none of those in green.",
    "Could you ask the carrier whether the next round can come before ten, since the dock is taken afterwards?",
    "The invoice is attached; it has the new address, and the discount that we agreed upon in September.",
    "I have moved the meeting to half past three, so that the colleagues from Łódź have time to come over.",
    "Nothing is urgent about the catalogue, but the printer closes for a week from the first of December.",
    "If the figures look right to you, please let Ben know: he sends them on to the accountant this evening.",
    "Thank you for the photographs, which are on the page already; the third one will need a better light.",
];

/// How many sentences the longest message has.
const MOST_SENTENCES: usize = 6;

/// The id of a message, and of its thread: 16 hexadecimal digits.
pub(crate) fn id(number: usize) -> String {
    format!("{:016x}", 0x19a9_f3c2_7b10_4e00 + number * 0x1_0001)
}

/// A page of so many ids, with more to come.
pub(crate) fn list(count: usize) -> Value {
    let messages: Vec<Value> =
        (0..count).map(|number| json!({ "id": id(number), "threadId": id(number) })).collect();
    json!({ "messages": messages, "nextPageToken": "08273645172839405162", "resultSizeEstimate": 201 })
}

/// A message.
pub(crate) fn message(number: usize) -> Value {
    let sentences: Vec<&str> =
        SENTENCES.iter().cycle().skip(number).take(1 + number % MOST_SENTENCES).copied().collect();
    let (text, html) = (text(&sentences), html(&sentences));
    let (mixed, alternative) = (format!("000000000000mix{number:04}"), format!("000000000000alt{number:04}"));
    let snippet: String = sentences.join(" ").chars().take(200).collect();
    let labels =
        if number.is_multiple_of(3) { json!(["UNREAD", "IMPORTANT", "INBOX"]) } else { json!(["INBOX"]) };
    json!({
        "id": id(number),
        "threadId": id(number),
        "labelIds": labels,
        "snippet": snippet,
        "payload": {
            "partId": "",
            "mimeType": "multipart/mixed",
            "filename": "",
            "headers": headers(number, &mixed),
            "body": { "size": 0 },
            "parts": [
                {
                    "partId": "0",
                    "mimeType": "multipart/alternative",
                    "filename": "",
                    "headers": [header("Content-Type", &format!("multipart/alternative; boundary=\"{alternative}\""))],
                    "body": { "size": 0 },
                    "parts": [part("0.0", "text/plain", &text), part("0.1", "text/html", &html)],
                },
                attachment(number),
            ],
        },
        "sizeEstimate": text.len() + html.len() + 50_000,
        "historyId": (4_190_000 + number).to_string(),
        "internalDate": (FIRST + number * MINUTE).to_string(),
    })
}

fn header(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}

/// What the servers on the way have added, and what the sender wrote.
fn headers(number: usize, boundary: &str) -> Vec<Value> {
    let date = format!("Fri, 21 Nov 2025 {:02}:{:02}:00 +0000", number / 60 % 24, number % 60);
    let signature = STANDARD.encode([0x5a_u8.wrapping_add(u8::try_from(number % 64).unwrap_or(0)); 192]);
    let id = id(number);
    let all = [
        ("Delivered-To", "ann.archer@shop.example".to_owned()),
        (
            "Received",
            format!(
                "from mail-{number}.post.example (mail-{number}.post.example. [203.0.113.7]) by mx.google.com with ESMTPS \
                 id {id} for <ann.archer@shop.example> (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256); {date}"
            ),
        ),
        ("Return-Path", "<ben.baker@supplier.example>".to_owned()),
        (
            "Received-SPF",
            "pass (google.com: domain of ben.baker@supplier.example designates 203.0.113.7 as permitted sender) \
             client-ip=203.0.113.7;"
                .to_owned(),
        ),
        (
            "Authentication-Results",
            "mx.google.com; dkim=pass header.i=@supplier.example header.s=s2025; spf=pass \
             smtp.mailfrom=ben.baker@supplier.example; dmarc=pass (p=REJECT sp=REJECT dis=NONE) \
             header.from=supplier.example"
                .to_owned(),
        ),
        (
            "DKIM-Signature",
            format!(
                "v=1; a=rsa-sha256; c=relaxed/relaxed; d=supplier.example; s=s2025; \
                 h=to:subject:message-id:date:from:mime-version:cc; b={signature}"
            ),
        ),
        ("MIME-Version", "1.0".to_owned()),
        ("References", format!("<thread-{number}@supplier.example> <answer-{number}@shop.example>")),
        ("In-Reply-To", format!("<answer-{number}@shop.example>")),
        ("From", "Ben Baker <ben.baker@supplier.example>".to_owned()),
        ("Date", date),
        ("Message-ID", format!("<{id}.ben@supplier.example>")),
        ("Subject", format!("Re: Delivery {} and what is left on the shelves", 2000 + number)),
        ("To", "Ann Archer <ann.archer@shop.example>".to_owned()),
        ("Cc", "\"Carter, Zoë\" <zoe.carter@shop.example>, accounts@shop.example".to_owned()),
        ("Content-Type", format!("multipart/mixed; boundary=\"{boundary}\"")),
    ];
    all.iter().map(|(name, value)| header(name, value)).collect()
}

/// A text, as base64url with padding.
fn part(id: &str, mime_type: &str, content: &str) -> Value {
    json!({
        "partId": id,
        "mimeType": mime_type,
        "filename": "",
        "headers": [
            header("Content-Type", &format!("{mime_type}; charset=\"UTF-8\"")),
            header("Content-Transfer-Encoding", "quoted-printable"),
        ],
        "body": { "size": content.len(), "data": URL_SAFE.encode(content) },
    })
}

/// An invoice: its name, and where its bytes can be had.
fn attachment(number: usize) -> Value {
    let name = format!("invoice-{}.pdf", 2000 + number);
    let place = format!("f_{number:09}");
    json!({
        "partId": "1",
        "mimeType": "application/pdf",
        "filename": name,
        "headers": [
            header("Content-Type", &format!("application/pdf; name=\"{name}\"")),
            header("Content-Disposition", &format!("attachment; filename=\"{name}\"")),
            header("Content-Transfer-Encoding", "base64"),
            header("X-Attachment-Id", &place),
            header("Content-ID", &format!("<{place}>")),
        ],
        "body": { "attachmentId": format!("ANGjdJ{}", URL_SAFE.encode([0xa7; 240])), "size": 48_213 + number },
    })
}

fn text(sentences: &[&str]) -> String {
    let paragraphs: Vec<String> = sentences.chunks(3).map(|chunk| chunk.join(" ")).collect();
    format!(
        "Hello Ann,\r\n\r\n{}\r\n\r\nBen Baker\r\nSupplier Ltd., +1 555 0100\r\n",
        paragraphs.join("\r\n\r\n")
    )
}

fn html(sentences: &[&str]) -> String {
    let paragraph = |chunk: &[&str]| {
        format!(
            "<p style=\"margin:0 0 12px;font-family:Arial,sans-serif;font-size:14px\">{}</p>\r\n",
            chunk.join(" ")
        )
    };
    let paragraphs: String = sentences.chunks(3).map(paragraph).collect();
    format!(
        "<html><head><meta charset=\"utf-8\"><title>Delivery</title></head>\r\n<body bgcolor=\"#ffffff\">\r\n<div \
         dir=\"ltr\"><p>Hello Ann,</p>\r\n{paragraphs}<table cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td \
         style=\"padding-right:12px\"><img src=\"cid:logo\" width=\"48\" height=\"48\" alt=\"Supplier\"></td>\r\n<td><b>Ben \
         Baker</b><br>Supplier Ltd.<br><a href=\"https://supplier.example/\">supplier.example</a> &middot; +1 555 \
         0100</td></tr></table></div>\r\n</body></html>\r\n"
    )
}
