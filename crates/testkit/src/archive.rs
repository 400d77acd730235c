//! Archives as authors upload them, hostile ones included: names are written as they are.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

/// What an entry of an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A file with its content.
    File(&'a [u8]),
    /// A symbolic link to a path.
    Link(&'a str),
}

/// An archive in the making.
#[derive(Debug, Default, Clone)]
pub struct Archive<'a>(Vec<(&'a str, Entry<'a>)>);

impl<'a> Archive<'a> {
    /// An archive of text files.
    pub fn of(files: &[(&'a str, &'a str)]) -> Self {
        Self(files.iter().map(|(name, text)| (*name, Entry::File(text.as_bytes()))).collect())
    }

    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, name: &'a str, entry: Entry<'a>) -> Self {
        self.0.push((name, entry));
        self
    }

    /// The archive as a `.zip`.
    ///
    /// # Errors
    /// If the library refuses an entry.
    pub fn zip(&self) -> anyhow::Result<Vec<u8>> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, entry) in &self.0 {
            match entry {
                Entry::File(content) => {
                    writer.start_file(*name, SimpleFileOptions::default())?;
                    writer.write_all(content)?;
                }
                Entry::Link(target) => writer.add_symlink(*name, *target, SimpleFileOptions::default())?,
            }
        }
        Ok(writer.finish()?.into_inner())
    }

    /// The archive as a `.tgz`.
    ///
    /// # Errors
    /// If a name has more than 100 bytes.
    pub fn tgz(&self) -> anyhow::Result<Vec<u8>> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, entry) in &self.0 {
            let mut header = tar::Header::new_gnu();
            // The library's own setter would refuse hostile names.
            let place = header.as_mut_bytes().get_mut(..name.len().min(100));
            place.ok_or_else(|| anyhow::anyhow!("no header"))?.copy_from_slice(name.as_bytes());
            header.set_mode(0o644);
            let content = match entry {
                Entry::File(content) => *content,
                Entry::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_link_name(target)?;
                    &[]
                }
            };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content)?;
        }
        Ok(builder.into_inner()?.finish()?)
    }
}
