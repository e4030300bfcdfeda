//! Turns a group of jobs into one transaction: gives offsets and times, checks fences, writes.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use crate::clock::Clock;
use crate::log::{Error, Offset, Outgoing, Result, Step};

use super::bell::Bell;
use super::ends::{Ends, read_generation};
use super::file::{LogFile, sqlite};
use super::group::{Answer, Job};
use super::staged::{End, Staged, Written, read_ends};
use super::tail::Tails;
use super::{checkpoint, tidy, writer};

/// Written since the last checkpoint before the next one is due.
const CHECKPOINT_BYTES: usize = 32 << 20;

/// What the sequencer tells the readers of this process.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) ends: Arc<Ends>,
    pub(super) tails: Arc<Tails>,
}

/// The one writer of this process.
#[derive(Debug)]
pub(super) struct Sequencer {
    file: Arc<LogFile>,
    clock: Clock,
    bell: Arc<Bell>,
    published: Published,
    /// None after an error: what SQLite holds is not trusted, the next group opens it again.
    conn: Option<Connection>,
    /// The ends as of `generation`, by row of `part`.
    ends: Vec<End>,
    /// None when the ends must be read.
    generation: Option<u64>,
    written: usize,
}

impl Sequencer {
    pub(super) fn open(
        file: Arc<LogFile>,
        bell: Bell,
        clock: Clock,
        published: Published,
    ) -> Result<Self> {
        let conn = Some(file.connect()?);
        let (ends, generation, written) = (Vec::new(), None, 0);
        Ok(Self { file, clock, bell: Arc::new(bell), published, conn, ends, generation, written })
    }

    /// Does the jobs in one transaction. Their answers are right only if this returns `Ok`.
    pub(super) fn commit(&mut self, group: &mut Vec<Job>, answers: &mut Vec<Answer>) -> Result<()> {
        let generation = self.generation.take();
        let mut conn = self.take_connection()?;
        let known = self.transact(&mut conn, generation, group, answers)?;
        self.generation = Some(known);
        self.conn = Some(conn);
        Ok(())
    }

    fn transact(
        &mut self,
        conn: &mut Connection,
        known: Option<u64>,
        group: &mut Vec<Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<u64> {
        let bell = Arc::clone(&self.bell);
        let _turn = bell.turn();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
        let generation = read_generation(&tx)?;
        let others = known != Some(generation);
        if others {
            self.ends = read_ends(&tx)?;
        }
        let mut staged = Staged::new(&self.ends, self.clock.now());
        let mut dirty = false;
        for job in group.drain(..) {
            answers.push(self.apply(&tx, &mut staged, job, &mut dirty)?);
        }
        if !dirty {
            // only questions: nothing to make durable
            tx.rollback().map_err(sqlite)?;
            return Ok(generation);
        }
        let written = staged.write(&tx)?;
        let generation = generation + 1;
        tx.prepare_cached("UPDATE part SET next = ?1 WHERE id = 0")
            .and_then(|mut update| update.execute([generation]))
            .map_err(sqlite)?;
        tx.commit().map_err(sqlite)?;
        // an answer for a file that nobody can open any more would be a lie
        self.file.check()?;
        self.publish(written, others);
        self.published.ends.seen(generation);
        self.bell.ring();
        Ok(generation)
    }

    fn apply(
        &self,
        tx: &Connection,
        staged: &mut Staged<'_>,
        job: Job,
        dirty: &mut bool,
    ) -> Result<Answer> {
        Ok(match job {
            Job::Append { records, reply } => {
                *dirty |= !records.is_empty();
                Answer::Offsets(reply, Ok(self.append(staged, records)?))
            }
            Job::Commit { id, epoch, step, reply } => match writer::owned(tx, &id, epoch) {
                Err(fenced @ Error::Fenced(_)) => Answer::Offsets(reply, Err(fenced)),
                Err(error) => return Err(error),
                Ok(()) => {
                    *dirty |= !(step.outputs.is_empty() && step.inputs.is_empty());
                    Answer::Offsets(reply, Ok(self.step(tx, staged, &id, step)?))
                }
            },
            Job::Take { id, reply } => {
                *dirty = true;
                Answer::Epoch(reply, Ok(writer::take(tx, &id)?))
            }
            Job::Tidy { at, task, reply } => {
                let tidied = tidy::run(tx, at, self.file.part(at)?, task)?;
                *dirty |= tidied.changed;
                Answer::Tidied(reply, Ok(tidied))
            }
        })
    }

    fn append(&self, staged: &mut Staged<'_>, records: Vec<Outgoing>) -> Result<Vec<Offset>> {
        records
            .into_iter()
            .map(|Outgoing { to, record }| Ok(staged.push(to, self.file.part(to)?, record)))
            .collect()
    }

    fn step(
        &self,
        tx: &Connection,
        staged: &mut Staged<'_>,
        id: &str,
        step: Step,
    ) -> Result<Vec<Offset>> {
        for (partition, next) in step.inputs {
            writer::keep(tx, id, self.file.part(partition)?, next)?;
        }
        self.append(staged, step.outputs)
    }

    /// Tells the readers of this process.
    fn publish(&mut self, written: Written, others: bool) {
        self.written += written.bytes;
        for (part, end, blocks) in written.parts {
            if let Some(known) = self.ends.get_mut(part as usize) {
                *known = end;
            }
            for block in blocks {
                self.published.tails.push(part, block);
            }
            self.published.ends.rise(part, end.next);
        }
        if others {
            for (part, end) in (0_u32..).zip(&self.ends).skip(1) {
                self.published.ends.rise(part, end.next);
            }
        }
    }

    /// Moves the WAL into the file when enough was written.
    pub(super) fn checkpoint_if_due(&mut self) {
        if self.written >= CHECKPOINT_BYTES
            && let Err(error) = self.checkpoint()
        {
            tracing::warn!(%error, "the log could not be checkpointed");
        }
    }

    /// Moves the WAL into the file.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        self.written = 0;
        let conn = self.take_connection()?;
        checkpoint::run(&conn)?;
        self.conn = Some(conn);
        Ok(())
    }

    fn take_connection(&mut self) -> Result<Connection> {
        match self.conn.take() {
            Some(conn) => Ok(conn),
            None => self.file.connect(),
        }
    }
}
