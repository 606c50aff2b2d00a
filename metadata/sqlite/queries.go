package sqlite

// The queries whose plans matter: each searches an index. A test holds them to it.
const (
	queryGarbage       = `SELECT id, key, bytes, created_at, data FROM segments WHERE refs = 0 ORDER BY id`
	queryIntents       = `SELECT key FROM intents WHERE NOT EXISTS (SELECT 1 FROM segments WHERE segments.key = intents.key) ORDER BY key`
	queryState         = `SELECT next_offset, leader_epoch, block, block_pos, block_len FROM states WHERE topic = ? AND part = ?`
	querySlices        = `SELECT base, last, segment, bytes, max_timestamp, append_time, level FROM slices WHERE topic = ? AND part = ? ORDER BY base`
	querySegment       = `SELECT key, bytes, created_at, data FROM segments WHERE id = ?`
	queryLogStart      = `SELECT start FROM log_starts WHERE topic = ? AND part = ?`
	queryBefore        = `SELECT last FROM slices WHERE topic = ? AND part = ? AND base <= ? ORDER BY base DESC LIMIT 1`
	queryBelow         = `SELECT segment, count(*), sum(bytes) FROM slices WHERE topic = ? AND part = ? AND base < ? AND last < ? GROUP BY segment`
	queryReplace       = `DELETE FROM slices WHERE topic = ?1 AND part = ?2 AND base BETWEEN ?3 AND ?4 AND last <= ?4 RETURNING base, segment, bytes`
	queryTopicSegments = `SELECT segment, count(*), sum(bytes) FROM slices WHERE topic = ? GROUP BY segment`
	queryTopicBlocks   = `SELECT block, count(*), 0 FROM states WHERE topic = ? AND block > 0 GROUP BY block`
	queryLying         = `SELECT topic, part, base, last, bytes, max_timestamp, append_time, level FROM slices WHERE segment = ? ORDER BY topic, part, base`
	queryVolumes       = `DELETE FROM volumes WHERE id <= (SELECT id FROM volumes ORDER BY id DESC LIMIT 1 OFFSET ?)`
)

// querySealed reads the ends of many partitions of one topic, whose numbers are a JSON
// array: one statement for all costs a third of one for each.
const querySealed = `SELECT ids.value,
	coalesce((SELECT last FROM slices WHERE topic = ?1 AND part = ids.value ORDER BY base DESC LIMIT 1), -1),
	coalesce((SELECT start FROM log_starts WHERE topic = ?1 AND part = ids.value), 0),
	coalesce(next_offset, 0), coalesce(leader_epoch, 0), coalesce(block, 0), coalesce(block_pos, 0), coalesce(block_len, 0)
FROM json_each(?2) AS ids LEFT JOIN states ON topic = ?1 AND part = ids.value`

// queryOldest reads a page of partitions in the order of the primary key. Of the columns
// beside min() SQLite returns those of the row that has the minimum.
const queryOldest = `SELECT topic, part, base, last, segment, bytes, max_timestamp, append_time, level, n, total,
	(SELECT last FROM slices WHERE slices.topic = page.topic AND slices.part = page.part ORDER BY base DESC LIMIT 1)
FROM (SELECT topic, part, min(base) AS base, last, segment, bytes, max_timestamp, append_time, level, count(*) AS n, sum(bytes) AS total
	FROM slices WHERE (topic, part) > (?1, ?2) GROUP BY topic, part ORDER BY topic, part LIMIT ?3) AS page
ORDER BY topic, part`

// querySparse goes through the segments, which are far fewer than slices.
const querySparse = `SELECT id, key, bytes, created_at, data, live FROM segments
WHERE live > 0 AND data - live > data * ?1 ORDER BY CAST(live AS REAL) / data, id LIMIT ?2`

// The queries of Usage go through all segments and all states, of which there is one for
// each partition, and through the slices of the topics that are asked about: by the
// segments' counts of references they know what holds no other slice.
const (
	withBlocks = `WITH blocks AS MATERIALIZED (SELECT block, count(*) AS n FROM states WHERE block <> 0 GROUP BY block)
`
	queryHolding = withBlocks + `SELECT count(*), coalesce(sum(bytes), 0), coalesce(sum(data), 0), coalesce(sum(live), 0)
FROM segments LEFT JOIN blocks ON block = id WHERE refs > coalesce(n, 0)`
	queryStranded = withBlocks + `SELECT topic, part, next_offset, leader_epoch, block, block_pos, block_len FROM states
WHERE block_len > 0 AND block IN (SELECT id FROM blocks CROSS JOIN segments ON id = blocks.block WHERE refs = n) ORDER BY topic, part`
	queryAlone = `WITH blocks AS MATERIALIZED (SELECT block, count(*) AS n FROM states WHERE block <> 0 GROUP BY block),
mine AS (SELECT segment, count(*) AS n FROM slices WHERE topic IN (SELECT unhex(value) FROM json_each(?1)) GROUP BY segment)
SELECT id, key, bytes, created_at, data FROM mine CROSS JOIN segments ON id = segment LEFT JOIN blocks ON blocks.block = id
WHERE refs = mine.n + coalesce(blocks.n, 0) ORDER BY id`
)
