package raft

import (
	"bytes"
	"reflect"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func TestCommandsRoundTrip(t *testing.T) {
	for _, c := range []Command{
		{Kind: Put, Session: 1, Seq: 1<<63 + 5, Key: "k", Value: "v\x00ü"},
		{Kind: CAS, Session: 300, Seq: 2, Key: "k", Value: "v", Expect: "old"},
		{Kind: CAS, Session: 300, Seq: 3, Key: "k", Value: "v", ExpectAbsent: true},
	} {
		back, err := DecodeCommand(c.Encode(nil))
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%+v comes back as %+v, %v", c, back, err)
		}
	}
}

func TestRegistersRoundTrip(t *testing.T) {
	s := newRegisters()
	for i, c := range []Command{
		{Kind: Put, Session: 2, Seq: 1, Key: "b", Value: "1"},
		{Kind: CAS, Session: 1, Seq: 4, Key: "b", Value: "2", Expect: "0"},
		{Kind: CAS, Session: 1, Seq: 5, Key: "a", Value: "3", ExpectAbsent: true},
	} {
		if res := s.apply(&c); res.Status != Done || res.Applied != (i != 1) {
			t.Errorf("command %d: %+v", i, res)
		}
	}
	var w, again writer
	s.encode(&w)
	r := reader{b: w.b}
	back := decodeRegisters(&r)
	if err := r.end("registers"); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("they come back as %+v, %v, want %+v", back, err, s)
	}
	back.encode(&again)
	if !bytes.Equal(w.b, again.b) {
		t.Error("encoding them again gives other bytes")
	}
}

// TestSessions: a command that was applied is answered again, and changes nothing; an older one changes nothing either.
func TestSessions(t *testing.T) {
	s := newRegisters()
	first := Command{Kind: Put, Session: 1, Seq: 1, Key: "a", Value: "1"}
	second := Command{Kind: CAS, Session: 1, Seq: 2, Key: "a", Value: "2", Expect: "1"}
	s.apply(&first)
	want := s.apply(&second)
	s.apply(&Command{Kind: Put, Session: 2, Seq: 1, Key: "a", Value: "3"})
	if res := s.apply(&second); !reflect.DeepEqual(res, want) || !res.Applied {
		t.Errorf("the second time it answers %+v, the first time %+v", res, want)
	}
	if res := s.apply(&first); res.Status != Unknown {
		t.Errorf("an older command answers %+v", res)
	}
	if v, _ := s.get("a"); v != "3" {
		t.Errorf("the register holds %q, want 3", v)
	}
}

func TestMessagesAreGuarded(t *testing.T) {
	msg := &pb.Message{Type: pb.MsgApp.Enum(), To: new(uint64(2)), From: new(uint64(1)), Term: new(uint64(3)),
		Entries: []*pb.Entry{{Index: new(uint64(4)), Term: new(uint64(3)), Data: []byte("data")}}}
	b := EncodeMessage(msg)
	back, err := DecodeMessage(b)
	if err != nil || !proto.Equal(back, msg) {
		t.Fatalf("it comes back as %v, %v", back, err)
	}
	for i := range b {
		for bit := range 8 {
			damaged := bytes.Clone(b)
			damaged[i] ^= 1 << bit
			if _, err := DecodeMessage(damaged); err == nil {
				t.Fatalf("bit %d of byte %d flipped: taken for genuine", bit, i)
			}
		}
		if _, err := DecodeMessage(b[:i]); err == nil {
			t.Fatalf("%d of %d bytes: taken for whole", i, len(b))
		}
	}
}

func FuzzDecode(f *testing.F) {
	c := Command{Kind: CAS, Session: 1, Seq: 2, Key: "k", Value: "v", Expect: "x"}
	f.Add(c.Encode(nil))
	f.Add(EncodeMessage(&pb.Message{Type: pb.MsgHeartbeat.Enum()}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeCommand(b); err == nil {
			if again, err := DecodeCommand(c.Encode(nil)); err != nil || !reflect.DeepEqual(again, c) {
				t.Errorf("%+v comes back as %+v, %v", c, again, err)
			}
		}
		r := reader{b: b}
		decodeRegisters(&r)
		if _, err := decodeBase(b); err != nil && len(b) == 0 {
			return
		}
		if _, err := DecodeMessage(b); err == nil && len(b) < 5 {
			t.Error("a message of fewer than five bytes")
		}
	})
}
