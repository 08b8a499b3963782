package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// A message on the wire:
//
//	1 byte   version
//	4 bytes  CRC-32C of what follows, little-endian: the library trusts every message
//	rest     a raftpb.Message
const wireVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeMessage encodes a message of the library for the wire.
func EncodeMessage(msg *pb.Message) []byte {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 5, 5+proto.Size(msg)), msg)
	if err != nil {
		panic(fmt.Sprintf("raft: a message cannot be encoded: %v", err))
	}
	b[0] = wireVersion
	binary.LittleEndian.PutUint32(b[1:], crc32.Checksum(b[5:], castagnoli))
	return b
}

// DecodeMessage reads what EncodeMessage wrote, and refuses damaged data. The message does not share b.
func DecodeMessage(b []byte) (*pb.Message, error) {
	switch {
	case len(b) < 5:
		return nil, errors.New("message: it ends too early")
	case b[0] != wireVersion:
		return nil, fmt.Errorf("message: version %d, want %d", b[0], wireVersion)
	case binary.LittleEndian.Uint32(b[1:]) != crc32.Checksum(b[5:], castagnoli):
		return nil, errors.New("message: the checksum does not match")
	}
	msg := &pb.Message{}
	if err := proto.Unmarshal(b[5:], msg); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return msg, nil
}
