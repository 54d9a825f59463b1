//! The image: the running executable and the libraries that it has mapped, and nothing else.
//!
//! It is put together here and imported into the engine as a file system of its own, so no builder
//! and no base image is needed and nothing is ever pulled. Its tag is a digest of what it holds:
//! it is imported again only when that changes. The repository's name ends in `.invalid`, a domain
//! that by RFC 2606 never exists, so that no engine can ever pull it by mistake.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use elf::ElfBytes;
use elf::ParseError;
use elf::endian::AnyEndian;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use testcontainers::bollard::body_full;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
};
use thiserror::Error;

use super::engine::{Engine, EngineError};
use super::labels;

/// The name of every image of ours.
pub const REPOSITORY: &str = "harness.invalid/harness";

/// The executable inside.
pub const PROGRAM: &str = "/harness";

/// Where the libraries are inside.
const LIBRARIES: &str = "/lib/harness";

/// How much longer than other steps the import of an image may take.
const IMPORT_LONGER: Duration = Duration::from_secs(90);

/// An image younger than this may be another run's that has no container yet.
const YOUNG: Duration = Duration::from_secs(600);

/// The image cannot be put together.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file cannot be read.
    #[error("could not read {path}, which belongs into the image: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The executable is of a form that cannot be read.
    #[error("could not find out which libraries {path} needs: {said}")]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        said: String,
    },
    /// The engine did not do its part.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// An image that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its tag: the digest of what it holds.
    pub tag: String,
}

impl Image {
    /// Its name with its tag.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{REPOSITORY}:{}", self.tag)
    }
}

/// What an image holds: paths inside, and the bytes there.
struct Contents {
    files: BTreeMap<PathBuf, Vec<u8>>,
    tag: String,
}

/// Makes sure that the engine has the image of this program, and removes old ones of ours.
///
/// # Errors
/// When the image cannot be put together, or the engine does not take it.
pub async fn ensure(engine: &Engine, program: &Path) -> Result<Image, ImageError> {
    let contents = Contents::of(program)?;
    let image = Image {
        tag: contents.tag.clone(),
    };
    if !exists(engine, &image).await? {
        import(engine, &image, contents).await?;
    }
    prune(engine, &image).await;
    Ok(image)
}

async fn exists(engine: &Engine, image: &Image) -> Result<bool, EngineError> {
    let reference = image.reference();
    let inspected = async {
        match engine.docker().inspect_image(&reference).await {
            Ok(_) => Ok(true),
            Err(BollardError::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(false),
            Err(error) => Err(error),
        }
    };
    engine.ask("look for the image", inspected).await
}

async fn import(engine: &Engine, image: &Image, contents: Contents) -> Result<(), ImageError> {
    let label = format!("LABEL {}={}", labels::IMAGE, image.tag);
    let libraries = format!("ENV LD_LIBRARY_PATH={LIBRARIES}");
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(REPOSITORY)
        .tag(&image.tag)
        .changes(vec![label, libraries])
        .build();
    let archive = body_full(contents.archive().into());
    let imported = async {
        let answers = engine
            .docker()
            .create_image(Some(options), Some(archive), None);
        let mut answers = std::pin::pin!(answers);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok::<(), BollardError>(())
    };
    Ok(engine
        .ask_longer("take the image", IMPORT_LONGER, imported)
        .await?)
}

/// Removes images of ours that nobody uses. The engine itself refuses to remove one that a
/// container uses. That some could not be removed is no reason not to run.
async fn prune(engine: &Engine, current: &Image) {
    let filters = HashMap::from([("label", vec![labels::IMAGE])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let listed = engine.docker().list_images(Some(options));
    let Ok(images) = engine.ask("list its images", listed).await else {
        return;
    };
    for image in images {
        let is_current = image.labels.get(labels::IMAGE) == Some(&current.tag);
        let created = u64::try_from(image.created).unwrap_or_default();
        let age = seconds_since_epoch().saturating_sub(created);
        if is_current || age < YOUNG.as_secs() {
            continue;
        }
        let removed = engine
            .docker()
            .remove_image(&image.id, None::<RemoveImageOptions>, None);
        if let Err(error) = engine.ask("remove an old image", removed).await {
            tracing::debug!("{error}");
        }
    }
}

fn seconds_since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

impl Contents {
    /// Everything that this program needs in order to run.
    fn of(program: &Path) -> Result<Contents, ImageError> {
        let executable = read(program)?;
        let mut files = BTreeMap::new();
        if let Some(loader) = interpreter(&executable).map_err(|error| form(program, &error))? {
            files.insert(loader.clone(), read(&loader)?);
            let maps = read(Path::new("/proc/self/maps"))?;
            for library in mapped_files(&String::from_utf8_lossy(&maps)) {
                let bytes = read(&library)?;
                let name = library_name(&bytes).map_err(|error| form(&library, &error))?;
                if let Some(name) = name {
                    files.insert(Path::new(LIBRARIES).join(name), bytes);
                }
            }
        }
        files.insert(PROGRAM.into(), executable);
        let mut digest = Sha256::new();
        for (path, bytes) in &files {
            digest.update(path.as_os_str().as_encoded_bytes());
            digest.update(bytes.len().to_le_bytes());
            digest.update(bytes);
        }
        let tag = digest.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Contents { files, tag })
    }

    /// The same as a tar archive.
    fn archive(self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |path: &Path, kind: tar::EntryType, mode: u32, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(bytes.len() as u64);
            let inside = path.strip_prefix("/").unwrap_or(path);
            archive
                .append_data(&mut header, inside, bytes)
                .expect("a vector takes everything");
        };
        add(Path::new("/tmp"), tar::EntryType::Directory, 0o1777, &[]);
        for (path, bytes) in &self.files {
            add(path, tar::EntryType::Regular, 0o755, bytes);
        }
        archive.into_inner().expect("a vector takes everything")
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    fs::read(path).map_err(|source| ImageError::Read {
        path: path.to_owned(),
        source,
    })
}

fn form(path: &Path, error: &ParseError) -> ImageError {
    ImageError::Form {
        path: path.to_owned(),
        said: error.to_string(),
    }
}

/// The path of the loader that an executable asks for (`PT_INTERP`, see elf(5)); none when it needs
/// no libraries.
fn interpreter(executable: &[u8]) -> Result<Option<PathBuf>, ParseError> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(executable)?;
    let mut segments = file.segments().into_iter().flatten();
    let Some(segment) = segments.find(|one| one.p_type == elf::abi::PT_INTERP) else {
        return Ok(None);
    };
    let path = file.segment_data(&segment)?;
    let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(path).into_owned().into()))
}

/// The name by which the loader looks for a library (`DT_SONAME`, see elf(5)); none for a file that
/// is no library.
fn library_name(bytes: &[u8]) -> Result<Option<String>, ParseError> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes)?;
    let (Some(entries), Some(names)) = (file.dynamic()?, file.find_common_data()?.dynsyms_strs)
    else {
        return Ok(None);
    };
    let mut entries = entries.iter();
    let Some(entry) = entries.find(|one| one.d_tag == elf::abi::DT_SONAME) else {
        return Ok(None);
    };
    let at = usize::try_from(entry.d_val()).unwrap_or(usize::MAX);
    Ok(Some(names.get(at)?.to_owned()))
}

/// The files that are mapped into a process so that they can be executed, from `/proc/PID/maps`.
fn mapped_files(maps: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let executable = words.nth(1)?.contains('x');
            let path = words.nth(3)?;
            (executable && path.starts_with('/')).then(|| PathBuf::from(path))
        })
        .collect();
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        Contents::of(Path::new("/proc/self/exe")).expect("this program is readable")
    }

    #[test]
    fn the_image_holds_the_program_and_what_it_needs_to_start() {
        let contents = contents();
        let names: Vec<String> = contents
            .files
            .keys()
            .map(|path| path.display().to_string())
            .collect();
        assert!(names.contains(&PROGRAM.to_owned()), "{names:?}");
        let executable = &contents.files[Path::new(PROGRAM)];
        if let Some(loader) = interpreter(executable).expect("an executable") {
            assert!(contents.files.contains_key(&loader), "{names:?}");
            let libc = names
                .iter()
                .any(|name| name.starts_with("/lib/harness/libc."));
            assert!(libc, "{names:?}");
        }
    }

    #[test]
    fn the_tag_says_what_is_in_it() {
        let (one, mut other) = (contents(), contents());
        assert_eq!(one.tag, other.tag);
        assert_eq!(one.tag.len(), 16);
        other.files.insert("/more".into(), vec![1]);
        let names = tar::Archive::new(&other.archive()[..])
            .entries()
            .expect("an archive")
            .map(|entry| {
                entry
                    .expect("sound")
                    .path()
                    .expect("sound")
                    .display()
                    .to_string()
            })
            .collect::<Vec<_>>();
        assert!(names.contains(&"more".to_owned()), "{names:?}");
        assert!(names.contains(&"harness".to_owned()), "{names:?}");
    }

    #[test]
    fn only_executable_mappings_of_files_count() {
        let maps = "\
7f00-7f01 r--p 00000000 fe:00 11 /usr/lib/libc.so.6
7f01-7f02 r-xp 00001000 fe:00 11 /usr/lib/libc.so.6
7f02-7f03 r-xp 00001000 fe:00 12 /usr/lib/libm.so.6
7f03-7f04 r--p 00000000 fe:00 13 /usr/lib/locale-archive
7ffc-7ffd r-xp 00000000 00:00 0 [vdso]
7ffe-7fff rwxp 00000000 00:00 0
";
        let files = mapped_files(maps);
        assert_eq!(
            files,
            [
                Path::new("/usr/lib/libc.so.6"),
                Path::new("/usr/lib/libm.so.6")
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_executable_is_refused() {
        assert!(interpreter(b"#!/bin/sh").is_err());
    }
}
