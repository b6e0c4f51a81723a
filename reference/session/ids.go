package session

// maxRetired bounds the IDs that a peer may leave without a last word; a peer that leaves more is broken.
const maxRetired = 1 << 16

// ids knows which connection IDs are in use: guarded by Session.mu.
type ids struct {
	next    uint32
	conns   map[uint32]*conn    // every ID that is neither idle nor retired
	retired map[uint32]struct{} // never used again on this tunnel
}

func newIDs(first uint32) ids {
	return ids{next: first, conns: map[uint32]*conn{}, retired: map[uint32]struct{}{}}
}

// allocate returns the next ID that is idle, in increasing order with wrap-around (ID-001, ID-002).
// There always is one: maps of 2^32 entries do not exist.
func (t *ids) allocate() uint32 {
	for {
		id := t.next
		t.next++
		if t.idle(id) {
			return id
		}
	}
}

func (t *ids) idle(id uint32) bool {
	return t.conns[id] == nil && !t.isRetired(id)
}

func (t *ids) isRetired(id uint32) bool {
	_, ok := t.retired[id]
	return ok
}
