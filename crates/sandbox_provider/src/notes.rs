//! The notes of each person.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Code, OAuthError};
use crate::people::{PEOPLE, Person};

/// How many notes a person may have.
pub(crate) const MAX_NOTES: usize = 200;
/// How long a title may be, in characters.
const MAX_TITLE: usize = 200;
/// How large a text may be, in bytes of UTF-8.
const MAX_TEXT: usize = 16 * 1024;

/// What everybody has at the beginning.
const SAMPLES: [(&str, &str); 5] = [
    ("Welcome", "These notes are kept in memory and are gone when the server stops."),
    ("Shopping", "Bread, apples, coffee."),
    ("Invoice 2026-118", "Paid on Monday. Ask for a receipt."),
    ("Ideas for the team day", "A walk along the river. Żurek for lunch?"),
    ("Call back", "The customer from Thursday, about the invoice."),
];

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a client writes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    title: String,
    #[serde(default)]
    text: String,
}

/// What a client changes. What is left out stays as it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    title: Option<String>,
    text: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    pub(crate) notes: Vec<Note>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// Everybody's notes, by the person's id and then by their own; ids sort in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    notes: HashMap<&'static str, BTreeMap<String, Note>>,
    created: u64,
}

impl Notes {
    /// A few notes for everybody.
    pub(crate) fn with_samples(now: Timestamp) -> Self {
        let mut all = Self::default();
        for person in &PEOPLE {
            for (title, text) in SAMPLES {
                all.add(person, Draft { title: title.to_owned(), text: text.to_owned() }, now);
            }
        }
        all
    }

    /// A page of a person's notes, newest first: those after the note `cursor`, which need not be there any more, and, if
    /// there is a search, with `q` in title or text, whatever the case.
    pub(crate) fn list(
        &self,
        person: &Person,
        cursor: Option<&str>,
        q: Option<&str>,
        limit: usize,
    ) -> Listing {
        let q = q.map(str::to_lowercase);
        let before = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let notes = self.notes.get(person.sub).into_iter();
        let mut found = notes
            .flat_map(|notes| notes.range::<str, _>((Bound::Unbounded, before)).rev())
            .map(|(_, note)| note)
            .filter(|note| q.as_ref().is_none_or(|q| note.has(q)));
        let page: Vec<Note> = found.by_ref().take(limit).cloned().collect();
        let has_more = found.next().is_some();
        let next_cursor = page.last().filter(|_| has_more).map(|note| note.id.clone());
        Listing { notes: page, next_cursor }
    }

    /// A person's note.
    pub(crate) fn get(&self, person: &Person, id: &str) -> Result<Note, OAuthError> {
        self.notes.get(person.sub).and_then(|notes| notes.get(id)).cloned().ok_or_else(not_found)
    }

    /// Adds a note.
    pub(crate) fn create(
        &mut self,
        person: &Person,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Note, OAuthError> {
        draft.check()?;
        if self.notes.get(person.sub).is_some_and(|notes| notes.len() >= MAX_NOTES) {
            let detail = format!("a person may have {MAX_NOTES} notes: delete one first");
            return Err(OAuthError::new(Code::LimitReached, detail));
        }
        Ok(self.add(person, draft, now))
    }

    fn add(&mut self, person: &Person, Draft { title, text }: Draft, now: Timestamp) -> Note {
        self.created += 1;
        let note =
            Note { id: format!("note-{:08}", self.created), title, text, created_at: now, updated_at: now };
        self.notes.entry(person.sub).or_default().insert(note.id.clone(), note.clone());
        note
    }

    /// Replaces what a note says.
    pub(crate) fn replace(
        &mut self,
        person: &Person,
        id: &str,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Note, OAuthError> {
        draft.check()?;
        let note =
            self.notes.get_mut(person.sub).and_then(|notes| notes.get_mut(id)).ok_or_else(not_found)?;
        (note.title, note.text) = (draft.title, draft.text);
        note.updated_at = now;
        Ok(note.clone())
    }

    /// Changes part of what a note says.
    pub(crate) fn change(
        &mut self,
        person: &Person,
        id: &str,
        Change { title, text }: Change,
        now: Timestamp,
    ) -> Result<Note, OAuthError> {
        let before = self.get(person, id)?;
        let draft = Draft { title: title.unwrap_or(before.title), text: text.unwrap_or(before.text) };
        self.replace(person, id, draft, now)
    }

    /// Takes a note away.
    pub(crate) fn delete(&mut self, person: &Person, id: &str) -> Result<(), OAuthError> {
        let gone = self.notes.get_mut(person.sub).and_then(|notes| notes.remove(id));
        gone.map(drop).ok_or_else(not_found)
    }
}

impl Note {
    fn has(&self, q: &str) -> bool {
        self.title.to_lowercase().contains(q) || self.text.to_lowercase().contains(q)
    }
}

impl Draft {
    fn check(&self) -> Result<(), OAuthError> {
        let length = self.title.chars().count();
        if self.title.trim().is_empty() || length > MAX_TITLE {
            let detail = format!("the title must have 1 to {MAX_TITLE} characters");
            return Err(OAuthError::new(Code::InvalidRequest, detail));
        }
        if self.text.len() > MAX_TEXT {
            let detail = format!("the text must have at most {MAX_TEXT} bytes");
            return Err(OAuthError::new(Code::InvalidRequest, detail));
        }
        Ok(())
    }
}

fn not_found() -> OAuthError {
    OAuthError::new(Code::NotFound, "the person has no such note")
}
