//! Where a path of a tree leads, as the running system would see it.

use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// What [`follow`] finds in one place of a tree.
pub enum Place {
    /// A link, with its target.
    Link(PathBuf),
    /// Anything else, or what does not exist and is to be taken as it is.
    End,
    /// Nothing, and the way ends here.
    Nowhere,
}

/// Why a path leads to no place.
#[derive(Debug, PartialEq, Eq)]
pub enum Lost {
    /// Something on the way does not exist.
    Missing,
    /// There are more links on the way than the kernel follows.
    TooManyLinks,
}

/// Follows a path, absolute or relative to the tree, to its end. `look` tells what is at a path relative to the tree. An absolute
/// link begins at the tree's root, and `..` does not leave it. Returns the links on the way and where they lead.
pub fn follow(path: &Path, mut look: impl FnMut(&Path) -> Place) -> Result<(Vec<PathBuf>, PathBuf), Lost> {
    let parts = |path: &Path| -> Vec<_> {
        let parts = path.components().rev();
        parts.map(|part| part.as_os_str().to_os_string()).collect()
    };
    let mut links = Vec::new();
    let mut at = PathBuf::new();
    let mut todo = parts(path);
    while let Some(part) = todo.pop() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => at.clear(),
            Some(Component::ParentDir) => {
                at.pop();
            }
            Some(Component::Normal(name)) => {
                let next = at.join(name);
                match look(&next) {
                    Place::Nowhere => return Err(Lost::Missing),
                    Place::End => at = next,
                    Place::Link(_) if links.len() == MOST_LINKS => return Err(Lost::TooManyLinks),
                    Place::Link(to) => {
                        links.push(next);
                        todo.extend(parts(&to));
                    }
                }
            }
            _ => {}
        }
    }
    Ok((links, at))
}
