//! Descriptions that are newer than this program's, and such as do not fit it.

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use serde_json::json;

use super::super::proto::{CustomerInfo, CustomerListing, ResultResponse};
use super::*;

/// This program's own description, changed.
fn changed(change: impl FnOnce(&mut FileDescriptorSet)) -> Vec<u8> {
    let mut set = FileDescriptorSet::decode(OWN).unwrap();
    change(&mut set);
    set.encode_to_vec()
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut DescriptorProto {
    let file = set.file.iter_mut().find(|file| file.package() == PACKAGE).unwrap();
    file.message_type.iter_mut().find(|message| message.name() == name).unwrap()
}

fn richer() -> Vec<u8> {
    changed(|set| {
        message(set, "CustomerInfo").field.push(FieldDescriptorProto {
            name: Some("customer_points".to_owned()),
            number: Some(31),
            label: Some(Label::Optional.into()),
            r#type: Some(Type::Uint64.into()),
            ..FieldDescriptorProto::default()
        });
    })
}

fn refusal(set: &[u8]) -> String {
    Raw::new(set).err().unwrap().to_string()
}

#[test]
fn fields_of_a_newer_description_are_in_raw() {
    let customer = CustomerInfo {
        customer_id: "1".to_owned(),
        customer_email: Some("a@b".to_owned()),
        ..Default::default()
    };
    let mut listed = customer.encode_to_vec();
    // customer_points = 300, and a field that neither description has.
    listed.extend([0xf8, 0x01, 0xac, 0x02, 0xa0, 0x06, 0x01]);
    let mut page = Vec::new();
    prost::encoding::bytes::encode(5, &listed, &mut page);
    let mut answer = vec![0x08, 0x01];
    prost::encoding::bytes::encode(7, &page, &mut answer);

    let raw = Raw::new(&richer()).unwrap().customers(answer.into()).unwrap();
    assert_eq!(raw, [json!({"customer_id": "1", "customer_email": "a@b", "customer_points": "300"})]);
}

#[test]
fn customers_keep_their_order_and_their_own_fields() {
    let customer = |id: &str| CustomerInfo { customer_id: id.to_owned(), ..Default::default() };
    let listing =
        CustomerListing { customer_listing: vec![customer("b"), customer("a")], ..Default::default() };
    let answer = ResultResponse {
        customer: Some(customer("c")),
        customers_listing: Some(listing),
        ..Default::default()
    };
    let (raw, answer) = (Raw::new(OWN).unwrap(), Bytes::from(answer.encode_to_vec()));
    assert_eq!(
        raw.customers(answer.clone()).unwrap(),
        [json!({"customer_id": "b"}), json!({"customer_id": "a"})]
    );
    assert_eq!(raw.customer(answer).unwrap(), json!({"customer_id": "c"}));
}

#[test]
fn a_description_of_something_else_is_refused() {
    assert!(refusal(b"not a description").contains("LEXMODO_DESCRIPTOR_SET"));
    assert!(refusal(b"").contains("lexmodo.v1.customers.CustomerIdRequest is missing"));
    let without_imports = changed(|set| set.file.retain(|file| file.package() == PACKAGE));
    assert!(refusal(&without_imports).contains("imports"));
}

#[test]
fn a_description_that_disagrees_is_refused_with_every_difference() {
    let other = changed(|set| {
        message(set, "CustomerListing").field.retain(|field| field.name() != "pit");
        let customer = message(set, "CustomerInfo");
        for field in &mut customer.field {
            match field.name() {
                "customer_email" => field.number = Some(6),
                "customer_id" => field.r#type = Some(Type::Bytes.into()),
                "customer_last_name" => field.label = Some(Label::Repeated.into()),
                _ => {}
            }
        }
    });
    let refusal = refusal(&other);
    for expected in [
        "CustomerListing.pit is missing",
        "CustomerInfo.customer_email must have number 5, not 6",
        "CustomerInfo.customer_id must be Optional string",
        "CustomerInfo.customer_last_name must be Optional google.protobuf.StringValue",
    ] {
        assert!(refusal.contains(expected), "{refusal}");
    }
}
