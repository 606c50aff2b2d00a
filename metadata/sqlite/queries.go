package sqlite

// The queries whose plans matter: each searches an index. A test holds them to it.
const (
	queryGarbage       = `SELECT id, key, bytes, created_at FROM segments WHERE refs = 0 ORDER BY id`
	queryIntents       = `SELECT key FROM intents WHERE NOT EXISTS (SELECT 1 FROM segments WHERE segments.key = intents.key) ORDER BY key`
	queryState         = `SELECT next_offset, leader_epoch, block, block_pos, block_len FROM states WHERE topic = ? AND part = ?`
	querySlices        = `SELECT base, last, segment, bytes, max_timestamp, append_time FROM slices WHERE topic = ? AND part = ? ORDER BY base`
	queryBefore        = `SELECT last FROM slices WHERE topic = ? AND part = ? AND base <= ? ORDER BY base DESC LIMIT 1`
	queryBelow         = `SELECT segment, count(*) FROM slices WHERE topic = ? AND part = ? AND base < ? AND last < ? GROUP BY segment`
	queryReplace       = `DELETE FROM slices WHERE topic = ? AND part = ? AND last <= ? RETURNING segment`
	queryTopicSegments = `SELECT segment, count(*) FROM slices WHERE topic = ? GROUP BY segment`
	queryVolumes       = `DELETE FROM volumes WHERE id <= (SELECT id FROM volumes ORDER BY id DESC LIMIT 1 OFFSET ?)`
)
