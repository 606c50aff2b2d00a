package protocol

// The frame limits. A frame's length is read before anything of it is, so the limit
// depends on the API key, which is the first thing inside.
const (
	// MaxHandshakeFrame bounds a frame before authentication: Kafka's
	// sasl.server.max.receive.size.
	MaxHandshakeFrame = 512 << 10
	// MaxRequestFrame bounds every request but Produce. A Connect leader's SyncGroup
	// and a commit of 50,000 partitions are several MiB.
	MaxRequestFrame = 16 << 20
	// MinFrame is the smallest frame: key, version and correlation id.
	MinFrame = 8
)

// FrameLimit returns the largest frame of an API in bytes. produceMax is
// socket.request.max.bytes. Only the APIs that a connection begins with are allowed
// before authentication, so a handshake ends the same for every key.
func FrameLimit(key int16, handshake bool, produceMax int) int {
	switch {
	case handshake:
		return min(MaxHandshakeFrame, produceMax)
	case key == KeyProduce:
		return produceMax
	default:
		return min(MaxRequestFrame, max(produceMax, MaxHandshakeFrame))
	}
}
