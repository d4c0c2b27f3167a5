//! Where municipality keys (key encryption keys) come from: files below the data folder, or a
//! command that fetches them from a key service. A municipality may have several generations; the
//! highest wraps, the others only unwrap until [`crate::data_keys::rewrap`] has moved every data key.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::id::MunicipalityId;
use zeroize::Zeroizing;

use crate::crypto::SecretKey;
use crate::error::{Result, StoreError};

/// Source of municipality keys.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// `<folder>/<municipality>.key`, one line `generation hex` per generation, mode 0600;
    /// created at first use.
    Files(PathBuf),
    /// Program and arguments; the municipality id is appended. Prints lines as in the file.
    Command(Vec<String>),
}

impl KeySource {
    /// The usual place below the data folder.
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self::Files(data_dir.join("keys"))
    }
}

pub(crate) type Generations = BTreeMap<u32, Arc<SecretKey>>;

/// File name part of a municipality id; refuses anything that could leave the folder.
fn file_stem(municipality: &MunicipalityId) -> Result<&str> {
    let text = municipality.as_str();
    let safe = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if safe {
        Ok(text)
    } else {
        Err(StoreError::Key(
            "municipality id is not usable as a file name".into(),
        ))
    }
}

fn parse(text: &str) -> Result<Generations> {
    let mut out = Generations::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let bad = || StoreError::Key("a line is not `generation hex(64)`".into());
        let (generation, key) = line.split_once(' ').ok_or_else(bad)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(key.trim(), &mut bytes).map_err(|_| bad())?;
        out.insert(
            generation.parse().map_err(|_| bad())?,
            Arc::new(SecretKey(bytes)),
        );
    }
    if out.is_empty() {
        Err(StoreError::Key("no key in the key file".into()))
    } else {
        Ok(out)
    }
}

fn render(generations: &Generations) -> Zeroizing<String> {
    let lines = generations
        .iter()
        .map(|(n, key)| format!("{n} {}\n", hex::encode(key.0)));
    Zeroizing::new(lines.collect())
}

/// Writes beside and renames, so that a crash leaves the old or the new file, never half of one. What
/// the old file held is overwritten before its space is given back.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let temporary = path.with_extension("new");
    let former = path.with_extension("old");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if same_file(path, &former)? {
        // Ended between the link and the rename: it is the living file under a second name.
        std::fs::remove_file(&former)?;
    } else {
        wipe(&former)?;
    }
    if path.exists() {
        std::fs::hard_link(path, &former)?;
    }
    std::fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    wipe(&former)
}

#[cfg(unix)]
fn same_file(one: &Path, other: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| match std::fs::metadata(path) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let (one, other) = (id(one)?, id(other)?);
    Ok(one.is_some() && one == other)
}

/// Overwrites a file in place, then removes it. Nothing to do when there is none.
fn wipe(path: &Path) -> Result<()> {
    let mut file = match std::fs::OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    std::fs::remove_file(path)?;
    Ok(())
}

/// As [`write_private`], unless the file is there already (`false`): two nodes that share the folder
/// must not each go on with a key of its own.
fn create_private(path: &Path, text: &str) -> Result<bool> {
    let own = path.with_extension(format!("{}.made", std::process::id()));
    write_private(&own, text)?;
    let linked = std::fs::hard_link(&own, path);
    std::fs::remove_file(&own)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(true)
}

fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Reads the generations of a municipality. With `create` and a missing file, `fresh` becomes
/// generation 1; without it a missing file is an error, for a new key beside old data would only
/// hide that the old one was lost.
pub(crate) fn load(
    source: &KeySource,
    municipality: &MunicipalityId,
    create: Option<[u8; 32]>,
) -> Result<Generations> {
    let stem = file_stem(municipality)?;
    match source {
        KeySource::Files(folder) => {
            let path = folder.join(format!("{stem}.key"));
            match std::fs::read_to_string(&path) {
                Ok(text) => parse(&Zeroizing::new(text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let Some(fresh) = create else {
                        return Err(StoreError::Key(format!(
                            "{stem}.key is missing from the key folder"
                        )));
                    };
                    create_folder(folder)?;
                    let generations = Generations::from([(1, Arc::new(SecretKey(fresh)))]);
                    if create_private(&path, &render(&generations))? {
                        Ok(generations)
                    } else {
                        // Another node that shares the folder was faster.
                        parse(&Zeroizing::new(std::fs::read_to_string(&path)?))
                    }
                }
                Err(error) => Err(error.into()),
            }
        }
        KeySource::Command(words) => {
            let (program, arguments) = words
                .split_first()
                .ok_or_else(|| StoreError::Key("key command is empty".into()))?;
            let output = std::process::Command::new(program)
                .args(arguments)
                .arg(stem)
                .stdin(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .output()
                .map_err(|error| {
                    StoreError::Key(format!("key command cannot start: {}", error.kind()))
                })?;
            if !output.status.success() {
                return Err(StoreError::Key(format!(
                    "key command ended with {}",
                    output.status
                )));
            }
            let text = Zeroizing::new(String::from_utf8_lossy(&output.stdout).into_owned());
            parse(&text)
        }
    }
}

/// Adds a generation above the present ones (files only).
pub(crate) fn add_generation(
    source: &KeySource,
    municipality: &MunicipalityId,
    fresh: [u8; 32],
) -> Result<Generations> {
    let KeySource::Files(folder) = source else {
        return Err(StoreError::Key(
            "keys from a command are rotated there".into(),
        ));
    };
    let mut generations = load(source, municipality, None)?;
    let next = generations.last_key_value().map_or(1, |(n, _)| n + 1);
    generations.insert(next, Arc::new(SecretKey(fresh)));
    write_private(
        &folder.join(format!("{}.key", file_stem(municipality)?)),
        &render(&generations),
    )?;
    Ok(generations)
}

/// Keeps only the highest generation (files only): what older ones wrapped cannot be opened again.
pub(crate) fn drop_old_generations(
    source: &KeySource,
    municipality: &MunicipalityId,
) -> Result<Generations> {
    let KeySource::Files(folder) = source else {
        return Err(StoreError::Key(
            "keys from a command are rotated there".into(),
        ));
    };
    let mut generations = load(source, municipality, None)?;
    if let Some((&newest, _)) = generations.last_key_value() {
        generations.retain(|&n, _| n == newest);
    }
    write_private(
        &folder.join(format!("{}.key", file_stem(municipality)?)),
        &render(&generations),
    )?;
    Ok(generations)
}

/// The living data keys of a municipality, wrapped by its newest key: id → record. Written beside the
/// key file whenever the generation changes, so that a backup from before can be brought over to the
/// new generation without what was destroyed since.
pub(crate) type Ring = BTreeMap<String, Vec<u8>>;

fn ring_path(folder: &Path, municipality: &MunicipalityId) -> Result<PathBuf> {
    Ok(folder.join(format!("{}.ring", file_stem(municipality)?)))
}

/// Writes the ring in place of the former one.
pub(crate) fn write_ring(folder: &Path, municipality: &MunicipalityId, ring: &Ring) -> Result<()> {
    create_folder(folder)?;
    let lines: String = ring
        .iter()
        .map(|(id, wrapped)| format!("{id} {}\n", hex::encode(wrapped)))
        .collect();
    write_private(&ring_path(folder, municipality)?, &lines)
}

/// The ring; empty when the generation never changed.
pub(crate) fn read_ring(folder: &Path, municipality: &MunicipalityId) -> Result<Ring> {
    let text = match std::fs::read_to_string(ring_path(folder, municipality)?) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Ring::new()),
        Err(error) => return Err(error.into()),
    };
    let bad = || StoreError::Key("a line of the key ring is not `id hex`".into());
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (id, wrapped) = line.split_once(' ').ok_or_else(bad)?;
            Ok((id.to_owned(), hex::decode(wrapped).map_err(|_| bad())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_read_as_it_was_written_and_no_former_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let town = MunicipalityId::from("town");
        assert!(read_ring(folder.path(), &town).unwrap().is_empty());
        for bytes in [vec![1, 2], vec![3]] {
            let ring = Ring::from([("k1".to_owned(), bytes)]);
            write_ring(folder.path(), &town, &ring).unwrap();
            assert_eq!(read_ring(folder.path(), &town).unwrap(), ring);
        }
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_write_that_ended_half_way_leaves_the_keys_usable() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::in_data_dir(folder.path());
        let town = MunicipalityId::from("town");
        load(&source, &town, Some([5; 32])).unwrap();
        let (key, old) = (
            folder.path().join("keys/town.key"),
            folder.path().join("keys/town.old"),
        );
        // Killed after the second name was made, before the new file took the first.
        std::fs::hard_link(&key, &old).unwrap();
        std::fs::write(folder.path().join("keys/town.new"), "half").unwrap();
        assert_eq!(load(&source, &town, None).unwrap()[&1].0, [5; 32]);
        assert_eq!(add_generation(&source, &town, [6; 32]).unwrap().len(), 2);
        assert_eq!(load(&source, &town, None).unwrap()[&1].0, [5; 32]);
        assert!(!old.exists());
        // Killed before the former file was wiped.
        std::fs::write(&old, "1 secret").unwrap();
        drop_old_generations(&source, &town).unwrap();
        assert!(!old.exists());
        assert_eq!(load(&source, &town, None).unwrap()[&2].0, [6; 32]);
    }

    #[test]
    fn a_key_file_is_private_and_lasts() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::in_data_dir(folder.path());
        let town = MunicipalityId::from("town");
        assert!(
            load(&source, &town, None).is_err(),
            "a lost key must not be replaced silently"
        );
        let first = load(&source, &town, Some([5; 32])).unwrap();
        let again = load(&source, &town, Some([6; 32])).unwrap();
        assert_eq!(first[&1], again[&1]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join("keys/town.key"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn generations_are_added_and_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::in_data_dir(folder.path());
        let town = MunicipalityId::from("town");
        load(&source, &town, Some([5; 32])).unwrap();
        assert_eq!(add_generation(&source, &town, [6; 32]).unwrap().len(), 2);
        let left = drop_old_generations(&source, &town).unwrap();
        assert_eq!(left.keys().copied().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_command_supplies_keys_and_its_failure_is_told() {
        let town = MunicipalityId::from("town");
        let line = format!("1 {}", "ab".repeat(32));
        let good = KeySource::Command(vec!["sh".into(), "-c".into(), format!("echo '{line}'")]);
        assert_eq!(load(&good, &town, None).unwrap()[&1].0, [0xab; 32]);
        let bad = KeySource::Command(vec!["sh".into(), "-c".into(), "exit 3".into()]);
        assert!(load(&bad, &town, None).is_err());
    }

    #[test]
    fn an_id_cannot_leave_the_folder() {
        let source = KeySource::Files("keys".into());
        assert!(load(&source, &MunicipalityId::from("../x"), Some([0; 32])).is_err());
    }
}
