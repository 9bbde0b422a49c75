//! The seeds of a crawl, as they are collected.

use std::collections::BTreeMap;
use std::path::Path;

use frontier::seed::{Seed, SeedError};
use frontier::{NewTask, TaskId};

use crate::options::OptionError;

/// The first task of each seed, without repeats.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seeds {
    tasks: BTreeMap<TaskId, NewTask>,
    /// Number of seeds that were given one by one.
    singles: usize,
    /// Whether any seed or file was given. It may have named no site.
    were_given: bool,
    /// Name of the first file, without folder and extension.
    name: Option<String>,
}

impl Seeds {
    /// Adds one seed.
    pub fn add(&mut self, text: &str) -> Result<(), OptionError> {
        self.singles += 1;
        let place = format!("seed {}", self.singles);
        self.add_line(text, &place)
    }

    /// Adds the seeds in the file at `path`, one per line.
    pub fn add_file(&mut self, path: &Path) -> Result<(), OptionError> {
        let shown = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                self.name = self.name.take().or(stem);
                self.add_text(&shown, &text)
            }
            Err(reason) => Err(OptionError::SeedFile { path: shown, reason }),
        }
    }

    /// Adds the seeds in `text`, one per line. Errors name `place` and the line.
    pub fn add_text(&mut self, place: &str, text: &str) -> Result<(), OptionError> {
        self.were_given = true;
        for (index, line) in text.lines().enumerate() {
            self.add_line(line, &format!("{place}:{}", index + 1))?;
        }
        Ok(())
    }

    /// Whether any seed or file was given.
    pub fn were_given(&self) -> bool {
        self.were_given
    }

    /// The name of the first file, without folder and extension.
    #[cfg(feature = "shared")]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The first tasks, in the order of their ids. Fails if seeds were given but name no site.
    pub fn into_tasks(self) -> Result<Vec<NewTask>, OptionError> {
        if self.were_given && self.tasks.is_empty() {
            return Err(OptionError::NoSeeds);
        }
        Ok(self.tasks.into_values().collect())
    }

    fn add_line(&mut self, line: &str, place: &str) -> Result<(), OptionError> {
        self.were_given = true;
        let wrong =
            |error: SeedError| OptionError::Seed { place: place.to_owned(), reason: error.to_string() };
        if let Some(seed) = Seed::parse(line).map_err(wrong)? {
            if seed.had_credentials {
                tracing::warn!("{place}: name and password of the seed are ignored; they are never sent");
            }
            let task = seed.task();
            self.tasks.insert(task.task.id, task);
        }
        Ok(())
    }
}
