//! The folder that a business is taken along in: a file of lines for each table, and a manifest that says how many
//! they are and what they hash to. The manifest is written last, so a folder without one is no export.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::verify::hex;
use crate::ids::BusinessId;
use crate::store::migrate::known_version;
use crate::store::whole::{TABLES, Table};

/// What the manifest's file is called.
const MANIFEST: &str = "manifest.json";
/// How the files are written; another number is another way.
const FORMAT: u32 = 1;
/// No row is longer.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What is exported is for its owner's eyes only.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// What an export has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// How the files are written.
    carnet_business_export: u32,
    /// The version of the schema that the rows are of.
    schema_version: i32,
    /// The business.
    pub(super) business_id: BusinessId,
    /// Its name, for people.
    business_name: String,
    /// When it was exported.
    exported_at: DateTime<Utc>,
    /// A file for each table.
    pub(super) files: Vec<Content>,
}

/// What a file has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// The table that its lines are rows of.
    table: String,
    /// How many.
    pub(super) rows: u64,
    /// What the file hashes to.
    sha256: String,
}

/// Makes the folder for an export.
///
/// # Errors
/// If there is something of that name, or it cannot be made.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let name = folder.display();
    anyhow::ensure!(!folder.exists(), "{name} is there already");
    let made = DirBuilder::new().mode(FOLDER_MODE).create(folder);
    made.with_context(|| format!("cannot make {name}"))
}

/// Writes the manifest of an export whose files are written.
pub(super) fn close(
    folder: &Path,
    (business_id, business_name): (BusinessId, &str),
    exported_at: DateTime<Utc>,
    files: Vec<Content>,
) -> anyhow::Result<()> {
    let manifest = Manifest {
        carnet_business_export: FORMAT,
        schema_version: known_version(),
        business_id,
        business_name: business_name.to_owned(),
        exported_at,
        files,
    };
    let mut file = create(&folder.join(MANIFEST))?;
    serde_json::to_writer_pretty(&mut file, &manifest)?;
    writeln!(file)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options.open(path)
}

fn path_of(folder: &Path, table: &str) -> PathBuf {
    folder.join(format!("{table}.jsonl"))
}

/// A file that is being written.
pub(super) struct Writing {
    file: BufWriter<File>,
    hasher: Sha256,
    content: Content,
}

impl Writing {
    /// The file of a table.
    pub(super) fn begin(folder: &Path, table: Table) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(create(&path_of(folder, table.name))?),
            hasher: Sha256::new(),
            content: Content {
                table: table.name.to_owned(),
                rows: 0,
                sha256: String::new(),
            },
        })
    }

    /// One more row.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        for part in [line.as_bytes(), b"\n"] {
            self.file.write_all(part)?;
            self.hasher.update(part);
        }
        self.content.rows = self.content.rows.saturating_add(1);
        Ok(())
    }

    /// What was written, once the disk has it.
    pub(super) fn finish(mut self) -> io::Result<Content> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok(Content {
            sha256: hash(self.hasher),
            ..self.content
        })
    }
}

/// An export that is there to be read.
#[derive(Debug)]
pub(super) struct Archive {
    folder: PathBuf,
    pub(super) manifest: Manifest,
}

impl Archive {
    /// Opens an export and reads its manifest.
    ///
    /// # Errors
    /// If there is none, or it is not one that this program can bring in.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        let name = path.display();
        let text = fs::read_to_string(&path).with_context(|| {
            format!("cannot read {name}: this is no export, or one that broke off")
        })?;
        let not_ours = || format!("{name} is not the manifest of an export");
        let value: serde_json::Value = serde_json::from_str(&text).with_context(not_ours)?;
        let number = |key: &str| value.get(key).and_then(serde_json::Value::as_i64);
        let (format, schema) = (number("carnet_business_export"), number("schema_version"));
        let (format, schema) = format.zip(schema).with_context(not_ours)?;
        let known = known_version();
        anyhow::ensure!(
            format <= i64::from(FORMAT) && schema <= i64::from(known),
            "{name} was written by a newer program: its schema is at version {schema} and its format is {format}, \
             this one knows {known} and {FORMAT}"
        );
        anyhow::ensure!(
            format == i64::from(FORMAT) && schema == i64::from(known),
            "{name} is of schema version {schema}, this program has {known}: import it with the program that \
             exported it, then migrate"
        );
        let manifest: Manifest = serde_json::from_value(value).with_context(not_ours)?;
        let named = manifest.files.iter().map(|file| file.table.as_str());
        anyhow::ensure!(
            named.eq(TABLES.iter().map(|table| table.name)),
            "{name} does not name each table once, in their order"
        );
        Ok(Self {
            folder: folder.to_owned(),
            manifest,
        })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        let rows = self.manifest.files.iter().map(|file| file.rows);
        rows.fold(0, u64::saturating_add)
    }

    /// The tables with their files, in the order in which they can be written.
    pub(super) fn tables(&self) -> impl Iterator<Item = (Table, &Content)> {
        TABLES.into_iter().zip(&self.manifest.files)
    }

    /// The lines of a file, from the first on.
    pub(super) fn read<'a>(&self, content: &'a Content) -> anyhow::Result<Reading<'a>> {
        let path = path_of(&self.folder, &content.table);
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Reading {
            path,
            file: BufReader::new(file),
            hasher: Sha256::new(),
            rows: 0,
            content,
        })
    }
}

/// A file that is being read.
pub(super) struct Reading<'a> {
    path: PathBuf,
    file: BufReader<File>,
    hasher: Sha256,
    rows: u64,
    content: &'a Content,
}

impl Reading<'_> {
    /// The next line. Behind the last one it is said whether the file is what the manifest says.
    ///
    /// # Errors
    /// If it cannot be read or is not.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<String>> {
        let name = self.path.display().to_string();
        let mut line = Vec::new();
        let mut bounded = self.file.by_ref().take(LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read {name}"))? == 0 {
            let found = (self.rows, hash(std::mem::take(&mut self.hasher)));
            anyhow::ensure!(
                found == (self.content.rows, self.content.sha256.clone()),
                "{name} is not what was exported: it has {} rows and hashes to {}, the manifest says {} and {}",
                found.0,
                found.1,
                self.content.rows,
                self.content.sha256
            );
            return Ok(None);
        }
        self.hasher.update(&line);
        self.rows = self.rows.saturating_add(1);
        let cut_off = || format!("{name}:{}: the line is cut off or too long", self.rows);
        anyhow::ensure!(line.pop() == Some(b'\n'), cut_off());
        let text = String::from_utf8(line);
        let text = text.with_context(|| format!("{name}:{} is not UTF-8", self.rows))?;
        Ok(Some(text))
    }

    /// Where the last line stands.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.rows)
    }
}

fn hash(hasher: Sha256) -> String {
    hex(&hasher.finalize().into())
}
