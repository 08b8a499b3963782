package docker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Messages to the kernel: see packet.go for the format.
const (
	netlinkNetfilter = 12

	messageVerdict = queueSubsystem | 1
	messageConfig  = queueSubsystem | 2

	attributeCommand   = 1 // of a config: what to do, and for which protocol family.
	attributeParams    = 2 // how many bytes of each packet to copy, and that they are copied.
	attributeLengthMax = 3
	attributeFlagsMask = 4
	attributeFlags     = 5
	attributeVerdict   = 2

	commandBind = 1
	copyPacket  = 2
	flagGSO     = 4 // do not cut large packets into small ones.
	accept      = 1
)

// Bounds of the queue. Packets that do not fit are lost, as in any network.
const (
	queueTried   = 64
	packetsMax   = 8192
	receiveBytes = 4 << 20
)

// queue hands packets that a rule sends to it to decide, and releases each when decide's time has passed. Packets are
// never changed. When this process ends, the kernel lets everything pass: rules say --queue-bypass.
type queue struct {
	number uint16
	file   *os.File
	decide func(ipHeader []byte) time.Duration

	mu     sync.Mutex // of writes.
	done   chan struct{}
	broken error // why serve ended by itself; to be read once done is closed.
}

// openQueue binds the first free queue of the machine.
func openQueue(decide func(ipHeader []byte) time.Duration) (*queue, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK,
		netlinkNetfilter)
	if err != nil {
		return nil, fmt.Errorf("netfilter queue: %w; delays need root on Linux", err)
	}
	q := &queue{file: os.NewFile(uintptr(fd), "netfilter queue"), decide: decide, done: make(chan struct{})}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return nil, errors.Join(fmt.Errorf("netfilter queue: %w", err), q.file.Close())
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBytes) // a smaller buffer is enough.
	if err := q.bind(); err != nil {
		return nil, errors.Join(fmt.Errorf("netfilter queue: %w; delays need root, and NFQUEUE in the kernel", err),
			q.file.Close())
	}
	go q.serve()
	return q, nil
}

// bind asks for one queue after another until one is free.
func (q *queue) bind() (err error) {
	for try := range queueTried {
		q.number = uint16(os.Getpid()+try*1009)%65535 + 1
		if err = q.configure(attribute(attributeCommand, []byte{commandBind, 0, 0, syscall.AF_INET})); err == nil {
			break
		}
		if !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.EPERM) {
			return err
		}
	}
	if err != nil {
		return err
	}
	params := append(binary.BigEndian.AppendUint32(nil, ipHeaderBytes), copyPacket)
	if err := q.configure(attribute(attributeParams, params)); err != nil {
		return err
	}
	if err := q.configure(attribute(attributeLengthMax, binary.BigEndian.AppendUint32(nil, packetsMax))); err != nil {
		return err
	}
	flags := binary.BigEndian.AppendUint32(nil, flagGSO)
	return q.configure(append(attribute(attributeFlags, flags), attribute(attributeFlagsMask, flags)...))
}

// configure sends one configuration and waits for the kernel's answer.
func (q *queue) configure(attributes []byte) error {
	if err := q.send(messageConfig, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK, attributes); err != nil {
		return err
	}
	buf := make([]byte, 8192)
	for {
		n, err := q.file.Read(buf)
		if err != nil {
			return err
		}
		if n >= 20 && binary.NativeEndian.Uint16(buf[4:]) == syscall.NLMSG_ERROR {
			if code := int32(binary.NativeEndian.Uint32(buf[16:])); code != 0 {
				return syscall.Errno(-code)
			}
			return nil
		}
	}
}

func (q *queue) send(kind, flags uint16, attributes []byte) error {
	b := make([]byte, netlinkBytes, netlinkBytes+len(attributes))
	binary.NativeEndian.PutUint32(b, uint32(netlinkBytes+len(attributes)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
	b[16] = syscall.AF_UNSPEC
	binary.BigEndian.PutUint16(b[18:], q.number)
	q.mu.Lock()
	defer q.mu.Unlock()
	_, err := q.file.Write(append(b, attributes...))
	return err
}

// attribute is one attribute, padded to whole words.
func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// serve ends when the file is closed.
func (q *queue) serve() {
	defer close(q.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := q.file.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EINTR) {
			continue // packets were lost before they were read.
		}
		if err != nil {
			q.broken = fmt.Errorf("netfilter queue: packets between nodes were not delayed any more: %w", err)
			return
		}
		for _, p := range packets(buf[:n]) {
			delay := q.decide(p.header)
			if delay <= 0 {
				q.release(p.id)
				continue
			}
			time.AfterFunc(delay, func() { q.release(p.id) })
		}
	}
}

// release releases a packet. After close the kernel has released it itself.
func (q *queue) release(id uint32) {
	verdict := binary.BigEndian.AppendUint32(nil, accept)
	_ = q.send(messageVerdict, syscall.NLM_F_REQUEST,
		attribute(attributeVerdict, binary.BigEndian.AppendUint32(verdict, id)))
}

func (q *queue) close() error {
	err := q.file.Close()
	<-q.done
	return errors.Join(err, q.broken)
}
