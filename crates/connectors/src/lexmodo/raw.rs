//! Customers by the operator's own description of the service, with the fields that this program does not know.

use bytes::Bytes;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions, Value,
};
use serde_json::Value as Json;

use super::channel::ConfigError;

/// The service as this program knows it.
const OWN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/customers.bin"));
const PACKAGE: &str = "lexmodo.v1.customers";
/// The most differences that are named.
const MAX_NAMED: usize = 10;
/// Canonical JSON, but for the fields' names, which are those of the description.
const OPTIONS: SerializeOptions = SerializeOptions::new().use_proto_field_name(true);

/// Why an answer cannot be read by the operator's description.
pub(super) type Unreadable = Box<dyn std::error::Error + Send + Sync>;

/// Reads answers by the operator's description.
#[derive(Clone)]
pub(super) struct Raw {
    result: MessageDescriptor,
}

impl Raw {
    /// Reads by `set`, an encoded FileDescriptorSet, if it has all that this program uses, under the same numbers.
    pub(super) fn new(set: &[u8]) -> Result<Self, ConfigError> {
        let failed = |error: prost_reflect::DescriptorError| ConfigError::DescriptorSet(error.to_string());
        let theirs = DescriptorPool::decode(set).map_err(failed)?;
        let ours = DescriptorPool::decode(OWN).map_err(failed)?;
        let missing = differences(&ours, &theirs);
        let result = theirs.get_message_by_name(&format!("{PACKAGE}.ResultResponse"));
        match result {
            Some(result) if missing.is_empty() => Ok(Self { result }),
            _ => Err(ConfigError::DescriptorSet(missing.join("; "))),
        }
    }

    /// The customer of an answer about one.
    pub(super) fn customer(&self, answer: Bytes) -> Result<Json, Unreadable> {
        let answer = DynamicMessage::decode(self.result.clone(), answer)?;
        match answer.get_field_by_name("customer").as_deref() {
            Some(Value::Message(customer)) => json(customer),
            _ => Err("the answer has no customer".into()),
        }
    }

    /// The customers of a page, in its order.
    pub(super) fn customers(&self, answer: Bytes) -> Result<Vec<Json>, Unreadable> {
        let answer = DynamicMessage::decode(self.result.clone(), answer)?;
        let listing = answer.get_field_by_name("customers_listing");
        let Some(Value::Message(listing)) = listing.as_deref() else { return Ok(Vec::new()) };
        let customers = listing.get_field_by_name("customer_listing");
        let customers = customers.as_deref().and_then(Value::as_list).unwrap_or_default();
        customers.iter().filter_map(Value::as_message).map(json).collect()
    }
}

fn json(message: &DynamicMessage) -> Result<Json, Unreadable> {
    Ok(message.serialize_with_options(serde_json::value::Serializer, &OPTIONS)?)
}

/// What `theirs` lacks of `ours`, or has otherwise.
fn differences(ours: &DescriptorPool, theirs: &DescriptorPool) -> Vec<String> {
    let messages = ours.all_messages().filter(|message| message.package_name() == PACKAGE);
    let of_message = |message: MessageDescriptor| match theirs.get_message_by_name(message.full_name()) {
        Some(same) => message.fields().filter_map(|field| difference(&field, &same)).collect(),
        None => vec![format!("{} is missing", message.full_name())],
    };
    messages.flat_map(of_message).take(MAX_NAMED).collect()
}

fn difference(field: &FieldDescriptor, theirs: &MessageDescriptor) -> Option<String> {
    let name = field.full_name();
    let Some(same) = theirs.get_field_by_name(field.name()) else {
        return Some(format!("{name} is missing"));
    };
    if same.number() != field.number() {
        return Some(format!("{name} must have number {}, not {}", field.number(), same.number()));
    }
    let is_same = same.cardinality() == field.cardinality() && kind(&same) == kind(field);
    (!is_same).then(|| format!("{name} must be {:?} {}", field.cardinality(), kind(field)))
}

fn kind(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(one_of) => one_of.full_name().to_owned(),
        simple => format!("{simple:?}"),
    }
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
