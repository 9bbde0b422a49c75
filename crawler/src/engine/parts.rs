//! Splits the new tasks of a document among several commits.

use std::collections::VecDeque;

use frontier::discovery::FoundLinks;
use frontier::work_queue::Part;
use frontier::{NewTask, Scope, TaskId};
use storage::{ChildrenReader, SegmentError};

use super::attempt::Attempt;

/// Maximum number of new tasks of a document in one commit. If it leads to more, the others are committed before. It is
/// small in the simulation, so that the documents there have parts.
pub const PART_TASKS_MAX: usize = if cfg!(test) { 3 } else { 1_000 };

/// The attempts whose documents lead to more than [`PART_TASKS_MAX`] tasks. One at a time is committed in parts.
#[derive(Default)]
pub struct LargeAttempts {
    waiting: VecDeque<Attempt>,
    current: Option<InParts>,
}

/// An attempt while its tasks are committed in parts.
struct InParts {
    attempt: Attempt,
    children: Option<ChildrenReader>,
    links: FoundLinks,
    /// Number of parts taken.
    parts: u32,
}

impl LargeAttempts {
    /// Whether `attempt` must be committed in parts.
    pub fn is_large(attempt: &Attempt) -> bool {
        attempt.result.conclusion.outcome.is_some() && attempt.new_tasks() > PART_TASKS_MAX as u64
    }

    /// Adds an attempt. Its first part is taken when those before it are done.
    pub fn push(&mut self, attempt: Attempt) {
        self.waiting.push_back(attempt);
    }

    /// Whether no part is left.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.current.is_none()
    }

    /// The attempt to begin with. `None` while another one is in work.
    pub fn next(&mut self) -> Option<Attempt> {
        if self.current.is_none() { self.waiting.pop_front() } else { None }
    }

    /// Begins with an attempt. Fails if its children cannot be read.
    pub fn begin(&mut self, mut attempt: Attempt) -> Result<(), SegmentError> {
        let children = attempt.result.body.contents.children.take();
        let children = children.map(|children| children.reader()).transpose()?;
        self.current = Some(InParts { attempt, children, links: FoundLinks::default(), parts: 0 });
        Ok(())
    }

    /// The URLs that count as read because of the attempt in work.
    pub fn document_ids(&self) -> impl Iterator<Item = TaskId> {
        self.current.iter().flat_map(|current| current.attempt.document_ids())
    }

    /// The next part of the attempt in work. Fails if its children cannot be read.
    pub fn next_part(&mut self, scope: &Scope) -> Result<Option<(Part, Vec<NewTask>)>, SegmentError> {
        let Some(current) = &mut self.current else { return Ok(None) };
        let tasks = current.next_tasks(scope)?;
        current.parts += 1;
        let part = Part { of: current.attempt.request.step.task.id, number: current.parts };
        Ok(Some((part, tasks)))
    }

    /// The attempt in work, if all its parts were taken. Its outcome is to be committed like any other.
    pub fn finished(&mut self) -> Option<Attempt> {
        let InParts { mut attempt, links, parts, .. } =
            self.current.take_if(|current| current.is_at_end())?;
        attempt.result.conclusion.add_links(links);
        if let Some(outcome) = &mut attempt.result.conclusion.outcome {
            outcome.parts = parts;
        }
        Some(attempt)
    }
}

impl InParts {
    fn next_tasks(&mut self, scope: &Scope) -> Result<Vec<NewTask>, SegmentError> {
        let Attempt { request, result, .. } = &mut self.attempt;
        let found = &mut result.conclusion.found;
        let mut tasks: Vec<NewTask> = found.drain(..found.len().min(PART_TASKS_MAX)).collect();
        while tasks.len() < PART_TASKS_MAX
            && let Some(child) = self.children.as_mut().and_then(Iterator::next)
        {
            self.links.add_child(&request.step.task, &child?, scope);
            tasks.append(&mut self.links.found);
        }
        Ok(tasks)
    }

    fn is_at_end(&self) -> bool {
        self.attempt.result.conclusion.found.is_empty()
            && self.children.as_ref().is_none_or(ChildrenReader::is_at_end)
    }
}
