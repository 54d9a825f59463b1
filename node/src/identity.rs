//! The key file: 64 hex digits of an Ed25519 seed, readable by its owner only.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use wire::SecretKey;

const FILE: &str = "key";

/// Loads the key of a folder, creating folder and key if they are absent.
///
/// The new key is written beside its place and renamed, so that a crash leaves a whole key or none.
///
/// # Errors
/// Whatever the file system says; `InvalidData` if the file is not a key.
pub fn load_or_create(dir: &Path) -> io::Result<SecretKey> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(dir, &path),
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> io::Result<SecretKey> {
    let bytes = hex::decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    let seed = bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a key file"))?;
    Ok(SecretKey::from_seed(seed))
}

fn create(dir: &Path, path: &Path) -> io::Result<SecretKey> {
    fs::create_dir_all(dir)?;
    let key = SecretKey::from_seed(rand::random());
    let part = dir.join("key.part");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    writeln!(file, "{}", hex::encode(key.seed()))?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(key)
}
