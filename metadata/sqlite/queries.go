package sqlite

// The queries whose plans matter: each searches an index. A test holds them to it.
const (
	queryGarbage       = `SELECT id, key, bytes, created_at FROM segments WHERE refs = 0 ORDER BY id`
	queryIntents       = `SELECT key FROM intents WHERE NOT EXISTS (SELECT 1 FROM segments WHERE segments.key = intents.key) ORDER BY key`
	queryState         = `SELECT next_offset, leader_epoch, block, block_pos, block_len FROM states WHERE topic = ? AND part = ?`
	querySlices        = `SELECT base, last, segment, bytes, max_timestamp, append_time FROM slices WHERE topic = ? AND part = ? ORDER BY base`
	querySegment       = `SELECT key, bytes, created_at FROM segments WHERE id = ?`
	queryLogStart      = `SELECT start FROM log_starts WHERE topic = ? AND part = ?`
	queryBefore        = `SELECT last FROM slices WHERE topic = ? AND part = ? AND base <= ? ORDER BY base DESC LIMIT 1`
	queryBelow         = `SELECT segment, count(*) FROM slices WHERE topic = ? AND part = ? AND base < ? AND last < ? GROUP BY segment`
	queryReplace       = `DELETE FROM slices WHERE topic = ?1 AND part = ?2 AND base BETWEEN ?3 AND ?4 AND last <= ?4 RETURNING base, segment`
	queryTopicSegments = `SELECT segment, count(*) FROM slices WHERE topic = ? GROUP BY segment`
	queryVolumes       = `DELETE FROM volumes WHERE id <= (SELECT id FROM volumes ORDER BY id DESC LIMIT 1 OFFSET ?)`
)

// querySealed reads the ends of many partitions of one topic, whose numbers are a JSON
// array: one statement for all costs a third of one for each.
const querySealed = `SELECT ids.value,
	coalesce((SELECT last FROM slices WHERE topic = ?1 AND part = ids.value ORDER BY base DESC LIMIT 1), -1),
	coalesce((SELECT start FROM log_starts WHERE topic = ?1 AND part = ids.value), 0),
	coalesce(next_offset, 0), coalesce(leader_epoch, 0), coalesce(block, 0), coalesce(block_pos, 0), coalesce(block_len, 0)
FROM json_each(?2) AS ids LEFT JOIN states ON topic = ?1 AND part = ids.value`
