//! Rebuilding a queue from seeds and segments.

use frontier::Seed;
use frontier::work_queue::TaskState;
use queue_suite::HandClock;
use storage::{CrawlReader, rebuild};

use crate::support::{NOW, Place, Work};

/// More tasks in one commit would take too much memory, and a sled that writes them for 10 s counts as hanging.
const COMMIT_TASKS_MAX: u64 = 500;

#[test]
fn seeds_and_documents_are_committed_in_small_parts() {
    const SEEDS: u64 = 2_300;
    const DOCUMENTS: u32 = 30;
    let place = Place::new();
    let mut work = Work::begin(&place);
    let seed = |n| Seed::parse(&format!("https://www.site-{n}.example/")).unwrap().unwrap().task();
    work.data_dir.add_seeds(&(0..SEEDS).map(seed).collect::<Vec<_>>()).unwrap();
    for n in 0..DOCUMENTS {
        work.crawl(n, 2);
    }
    drop(work);

    let rebuilt = rebuild(&place.path, HandClock::at(NOW)).unwrap();
    assert_eq!((rebuilt.seeds, rebuilt.documents, rebuilt.entries), (SEEDS, DOCUMENTS.into(), 60));
    let reader = CrawlReader::open(&place.path).unwrap();
    let commits = reader.sessions()[0].commit_seq;
    let tasks = SEEDS + u64::from(DOCUMENTS);
    assert!(commits >= tasks / COMMIT_TASKS_MAX, "{tasks} tasks in {commits} commits");
    let states: Vec<TaskState> = reader.tasks().map(|task| task.unwrap().1).collect();
    let is_done = |state: &&TaskState| matches!(state, TaskState::Done { .. });
    assert_eq!(states.iter().filter(is_done).count() as u64, u64::from(DOCUMENTS));
    assert_eq!(states.len() as u64, tasks);
}
