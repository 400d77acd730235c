//! What may stand in what: <https://unpkg.com/@atlaskit/adf-schema/dist/json-schema/v1/full.json>. Jira refuses a document that
//! breaks this, so what has no place becomes what comes nearest and has one.

use serde_json::{Value, json};

use super::builder::Kind;
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
        "taskList" if is_narrow => vec![bullets(&node)],
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
        let task = item.as_object_mut().and_then(|fields| fields.shift_remove("task"));
        if let Some(is_done) = task.as_ref().and_then(Value::as_bool) {
            begin_with_sign(item, is_done);
        }
    }
    match first {
        None => json!({"type": "bulletList", "content": items}),
        Some(1) => json!({"type": "orderedList", "content": items}),
        Some(first) => json!({"type": "orderedList", "attrs": {"order": first}, "content": items}),
    }
}

/// Whether an item can be one of Jira's tasks: words, and lists of bullets that are made of tasks.
fn is_task(item: &Value) -> bool {
    let is_paragraph = |nodes: &[Value]| matches!(nodes, [words] if kind(words) == "paragraph");
    item.get("task").is_some_and(Value::is_boolean) && is_paragraph(content(item))
}

fn task_list(items: Vec<Value>, tasks: &mut u64) -> Value {
    let mut next = || {
        *tasks += 1;
        tasks.to_string()
    };
    let list = next();
    let item = |mut item: Value| {
        let state = if item.get("task") == Some(&Value::Bool(true)) { "DONE" } else { "TODO" };
        let words = item.pointer_mut("/content/0/content").map_or_else(|| json!([]), Value::take);
        json!({"type": "taskItem", "attrs": {"localId": next(), "state": state}, "content": words})
    };
    let items: Vec<Value> = items.into_iter().map(item).collect();
    json!({"type": "taskList", "attrs": {"localId": list}, "content": items})
}

/// A list of tasks where there may be none: as bullets with signs.
fn bullets(list: &Value) -> Value {
    let item = |task: &Value| {
        let mut item =
            json!({"type": "listItem", "content": [{"type": "paragraph", "content": content(task)}]});
        begin_with_sign(&mut item, attribute(task, "state") == "DONE");
        item
    };
    let items: Vec<Value> = content(list).iter().map(item).collect();
    json!({"type": "bulletList", "content": items})
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
    json!({"type": "paragraph", "content": words})
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
    json!({"type": "paragraph", "content": words})
}
