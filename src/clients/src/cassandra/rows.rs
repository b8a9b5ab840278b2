//! Rows as they cross the bridge: cells in CQL's binary form, borrowed on their way in, copied once on their
//! way out.

use std::collections::HashMap;

use scylla::deserialize::row::ColumnIterator;
use scylla::errors::IntoRowsResultError;
use scylla::response::query_result::QueryResult;
use scylla::serialize::batch::{BatchValues, BatchValuesIterator};
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::serialize::SerializationError;

use super::failure::Problem;
use crate::bridge::Reply;

/// One row's cells; a length of -1 is a null.
#[derive(Clone, Copy)]
pub struct RawRow<'a> {
    pub bytes: &'a [u8],
    pub lengths: &'a [i32],
}

/// Several rows of `columns` cells each.
#[derive(Clone, Copy)]
pub struct RawRows<'a> {
    bytes: &'a [u8],
    lengths: &'a [i32],
    columns: usize,
}

impl<'a> RawRows<'a> {
    /// None where the lengths do not describe `bytes` exactly, or there is no row.
    pub fn new(bytes: &'a [u8], lengths: &'a [i32], columns: usize) -> Option<Self> {
        let whole = columns > 0 && !lengths.is_empty() && lengths.len().is_multiple_of(columns);
        (whole && size_of_cells(lengths) == bytes.len()).then_some(RawRows { bytes, lengths, columns })
    }

    pub fn len(&self) -> usize {
        self.lengths.len() / self.columns
    }

    fn next(&mut self) -> Option<RawRow<'a>> {
        if self.lengths.is_empty() {
            return None;
        }
        let (lengths, other_lengths) = self.lengths.split_at(self.columns);
        let (bytes, other_bytes) = self.bytes.split_at(size_of_cells(lengths));
        (self.lengths, self.bytes) = (other_lengths, other_bytes);
        Some(RawRow { bytes, lengths })
    }
}

fn size_of_cells(lengths: &[i32]) -> usize {
    lengths.iter().map(|&length| length.max(0) as usize).sum()
}

/// The statement wants another number of cells: our own mistake.
#[derive(Debug)]
struct WrongColumns;

impl std::fmt::Display for WrongColumns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the row has not as many cells as the statement has columns")
    }
}

impl std::error::Error for WrongColumns {}

impl SerializeRow for RawRow<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        if context.columns().len() != self.lengths.len() {
            return Err(SerializationError::new(WrongColumns));
        }
        let mut rest = self.bytes;
        for &length in self.lengths {
            let cell = writer.make_cell_writer();
            if length < 0 {
                cell.set_null();
            } else {
                let (value, others) = rest.split_at(length as usize);
                cell.set_value(value).map_err(SerializationError::new)?;
                rest = others;
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }
}

impl BatchValues for RawRows<'_> {
    type BatchValuesIter<'r>
        = RawRows<'r>
    where
        Self: 'r;

    fn batch_values_iter(&self) -> Self::BatchValuesIter<'_> {
        *self
    }
}

impl<'bv> BatchValuesIterator<'bv> for RawRows<'bv> {
    fn serialize_next(
        &mut self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Option<Result<(), SerializationError>> {
        self.next().map(|row| row.serialize(context, writer))
    }

    fn is_empty_next(&mut self) -> Option<bool> {
        self.next().map(|row| row.is_empty())
    }

    fn skip_next(&mut self) -> Option<()> {
        self.next().map(|_| ())
    }
}

/// Appends the cells of every row, each row after `front` where there is one, and sets the number of
/// columns. Returns the number of rows; a result that is none of rows has no rows.
pub fn push_rows(
    reply: &mut Reply,
    result: QueryResult,
    front: Option<&[u8]>,
) -> Result<usize, Problem> {
    let rows = match result.into_rows_result() {
        Ok(rows) => rows,
        Err(IntoRowsResultError::ResultNotRows(_)) => return Ok(0),
        Err(error) => return Err(Problem::Unreadable(error.to_string())),
    };
    reply.number = (rows.column_specs().len() + usize::from(front.is_some())) as i64;
    let unreadable = |error: &dyn std::fmt::Display| Problem::Unreadable(error.to_string());
    for row in rows.rows::<ColumnIterator>().map_err(|error| unreadable(&error))? {
        if let Some(front) = front {
            reply.push(front);
        }
        for column in row.map_err(|error| unreadable(&error))? {
            match column.map_err(|error| unreadable(&error))?.slice {
                Some(cell) => reply.push(cell.as_slice()),
                None => reply.push_null(),
            }
        }
    }
    Ok(rows.rows_num())
}

/// The rows of `found`, which begin with their ids, without those and in the order of `ids`; -2 for every cell of a row
/// that is not there.
pub fn in_order_of(ids: &[i64], found: &Reply) -> Result<Reply, Problem> {
    let columns = found.number.max(1) as usize;
    let mut places = HashMap::with_capacity(ids.len());
    let mut at = 0;
    for lengths in found.lengths.chunks_exact(columns) {
        let end = at + size_of_cells(lengths);
        let id = found.bytes[at..end].first_chunk().map(|id| i64::from_be_bytes(*id));
        let id = id.filter(|_| lengths[0] == 8).ok_or_else(|| {
            Problem::Unreadable("a row that was read does not begin with its id".to_owned())
        })?;
        places.insert(id, (&lengths[1..], &found.bytes[at + 8..end]));
        at = end;
    }
    let mut reply = Reply::ok();
    reply.number = columns as i64 - 1;
    reply.bytes.reserve(found.bytes.len());
    reply.lengths.reserve(ids.len() * (columns - 1));
    for id in ids {
        match places.get(id) {
            Some((lengths, bytes)) => {
                reply.lengths.extend_from_slice(lengths);
                reply.bytes.extend_from_slice(bytes);
            }
            None => reply.lengths.extend(std::iter::repeat_n(-2, columns - 1)),
        }
    }
    Ok(reply)
}
