//! What may stand in what: <https://unpkg.com/@atlaskit/adf-schema/dist/json-schema/v1/full.json>. Jira refuses a document that
//! breaks this, so what has no place becomes what comes nearest and has one.

use serde_json::{Value, json};

use super::builder::Kind;
use super::node;
use super::to_markdown::{attribute, content, kind};

/// `node` as what may stand in a node of this kind.
pub(super) fn fit(parent: &Kind, node: Value) -> Vec<Value> {
    let is_narrow = match parent {
        Kind::Item | Kind::Quote => true,
        Kind::Panel(_) => false,
        _ => return vec![node],
    };
    match kind(&node) {
        "blockquote" | "panel" => inner(node).into_iter().flat_map(|child| fit(parent, child)).collect(),
        "table" => content(&node).iter().map(row_as_paragraph).collect(),
        "heading" if is_narrow => vec![strong_paragraph(node)],
        // In an item, it may yet be part of a task.
        "taskList" if *parent == Kind::Quote => vec![bullets(node)],
        "rule" if is_narrow => Vec::new(),
        _ => vec![node],
    }
}

/// A list of these items: one of tasks, if all are tasks of a few words.
pub(super) fn listed(first: Option<u64>, mut items: Vec<Value>, tasks: &mut u64) -> Value {
    if first.is_none() && items.iter().all(is_task) {
        return task_list(items, tasks);
    }
    for item in &mut items {
        if let Some(Value::Array(nodes)) = item.get_mut("content") {
            for node in nodes.iter_mut().filter(|node| kind(node) == "taskList") {
                *node = bullets(node.take());
            }
        }
        let task = item.as_object_mut().and_then(|fields| fields.shift_remove("task"));
        if let Some(is_done) = task.as_ref().and_then(Value::as_bool) {
            begin_with_sign(item, is_done);
        }
    }
    match first {
        None => node("bulletList", None, items),
        Some(1) => node("orderedList", None, items),
        Some(first) => node("orderedList", Some(json!({"order": first})), items),
    }
}

/// Whether an item can be one of Jira's tasks: words, and below them nothing but tasks.
fn is_task(item: &Value) -> bool {
    let is_made_of_tasks = match content(item) {
        [words, parts @ ..] => {
            kind(words) == "paragraph" && parts.iter().all(|part| kind(part) == "taskList")
        }
        [] => false,
    };
    is_made_of_tasks && item.get("task").is_some_and(Value::is_boolean)
}

fn task_list(items: Vec<Value>, tasks: &mut u64) -> Value {
    let mut next = || {
        *tasks += 1;
        tasks.to_string()
    };
    let list = json!({"localId": next()});
    let mut content = Vec::new();
    for item in items {
        let state = if item.get("task") == Some(&Value::Bool(true)) { "DONE" } else { "TODO" };
        let mut nodes = inner(item).into_iter();
        let words = nodes.next().map(inner).unwrap_or_default();
        content.push(node("taskItem", Some(json!({"localId": next(), "state": state})), words));
        // The parts of a task stand beside it.
        content.extend(nodes);
    }
    node("taskList", Some(list), content)
}

/// A list of tasks where there may be none: as bullets with signs.
fn bullets(list: Value) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for task in inner(list) {
        let is_done = attribute(&task, "state") == "DONE";
        if kind(&task) != "taskList" {
            let mut item = node("listItem", None, vec![node("paragraph", None, inner(task))]);
            begin_with_sign(&mut item, is_done);
            items.push(item);
        } else if let Some(Value::Array(nodes)) = items.last_mut().and_then(|item| item.get_mut("content")) {
            nodes.push(bullets(task));
        }
    }
    node("bulletList", None, items)
}

fn begin_with_sign(item: &mut Value, is_done: bool) {
    let sign = json!({"type": "text", "text": if is_done { "[x] " } else { "[ ] " }});
    if let Some(Value::Array(words)) = item.pointer_mut("/content/0/content") {
        words.insert(0, sign);
    }
}

fn inner(mut node: Value) -> Vec<Value> {
    match node.get_mut("content").map(Value::take) {
        Some(Value::Array(nodes)) => nodes,
        _ => Vec::new(),
    }
}

fn strong_paragraph(heading: Value) -> Value {
    let mut words = inner(heading);
    for word in &mut words {
        let mut marks = word.get("marks").and_then(Value::as_array).cloned().unwrap_or_default();
        let has_place = !marks.iter().any(|mark| matches!(kind(mark), "code" | "strong"));
        if let Some(fields) = word.as_object_mut().filter(|fields| has_place && fields.contains_key("text")) {
            marks.push(json!({"type": "strong"}));
            fields.insert("marks".to_owned(), marks.into());
        }
    }
    node("paragraph", None, words)
}

/// The words of a row's cells, with bars between them.
fn row_as_paragraph(row: &Value) -> Value {
    let mut words = Vec::new();
    for cell in content(row) {
        if !words.is_empty() {
            words.push(json!({"type": "text", "text": " | "}));
        }
        words.extend(content(cell).iter().flat_map(content).cloned());
    }
    node("paragraph", None, words)
}
