package record

// The varints of records are zigzag encoded, of 32 or 64 bits. The functions that read
// take and return a position; a negative one says that an earlier read failed or this
// one did, so that a row of reads is checked once.

const failed = -1

func varint(b []byte, at int) (int32, int) {
	if uint(at) < uint(len(b)) {
		if c := b[at]; c < 0x80 {
			return int32(c>>1) ^ -int32(c&1), at + 1
		}
	}
	return varintSlow(b, at)
}

//go:noinline
func varintSlow(b []byte, at int) (int32, int) {
	if at >= 0 && at+1 < len(b) && b[at+1] < 0x80 { // the two-byte case
		u := uint32(b[at]&0x7f) | uint32(b[at+1])<<7
		return int32(u>>1) ^ -int32(u&1), at + 2
	}
	u, end := uvarint(b, at, 5)
	if u>>32 != 0 {
		return 0, failed
	}
	return int32(uint32(u)>>1) ^ -int32(u&1), end
}

func varlong(b []byte, at int) (int64, int) {
	if uint(at) < uint(len(b)) {
		if c := b[at]; c < 0x80 {
			return int64(c>>1) ^ -int64(c&1), at + 1
		}
	}
	return varlongSlow(b, at)
}

//go:noinline
func varlongSlow(b []byte, at int) (int64, int) {
	u, end := uvarint(b, at, 10)
	return int64(u>>1) ^ -int64(u&1), end
}

// uvarint reads an unsigned varint of at most limit bytes and 64 bits.
func uvarint(b []byte, at, limit int) (uint64, int) {
	if at < 0 {
		return 0, failed
	}
	var u uint64
	for i := range limit {
		if at+i >= len(b) {
			return 0, failed
		}
		c := b[at+i]
		if i == 9 && c > 1 {
			return 0, failed
		}
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return u, at + i + 1
		}
	}
	return 0, failed
}

func appendVarint(dst []byte, v int64) []byte {
	u := uint64(v<<1) ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}
