package translation

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// NewID is a UUID of version 7 (RFC 9562): the time to the millisecond, and then
// chance. Sorted as text, ids are in the order of their times; within one
// millisecond in any, but always the same.
func NewID(now time.Time) string {
	var random [16]byte
	// It never fails: it ends the program where the system has no randomness.
	_, _ = rand.Read(random[:])
	return idOf(now, random)
}

// FirstID is where the ids of a millisecond begin.
func FirstID(t time.Time) string { return idOf(t, [16]byte{}) }

const (
	idVersion, versionBits = 7 << 4, 0xf0
	idVariant, variantBits = 0x80, 0xc0
)

func idOf(t time.Time, b [16]byte) string {
	var milliseconds [8]byte
	binary.BigEndian.PutUint64(milliseconds[:], uint64(t.UnixMilli()))
	copy(b[:6], milliseconds[2:])
	b[6] = b[6]&^versionBits | idVersion
	b[8] = b[8]&^variantBits | idVariant
	return format(b)
}

func format(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// tokenOf is an id as callers hand it back for the next page. What is in it is
// this file's business alone.
func tokenOf(id string) (string, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil {
		return "", fmt.Errorf("the id %q is none of NewID: %w", id, err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// idOfToken is the id in a token, or false for what is no token.
func idOfToken(token string) (string, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 16 || b[6]&versionBits != idVersion || b[8]&variantBits != idVariant {
		return "", false
	}
	return format([16]byte(b)), true
}
