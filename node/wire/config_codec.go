package wire

import (
	"fmt"

	"kvs/node/codec"
	"kvs/node/voting"
)

// The messages about the configuration in force:
//
//	config-ask   nothing
//	config-is    there is one u8, configuration (node/voting)

const (
	KindConfigAsk Kind = 40
	KindConfigIs  Kind = 41
)

var configRows = []Row{
	{Kind: KindConfigAsk, Name: "config-ask", About: SubjectConfiguration, body: of[ConfigAsk]},
	{Kind: KindConfigIs, Name: "config-is", About: SubjectConfiguration, Lasts: true, body: of[ConfigIs]},
}

// ConfigAsk asks for the configuration in force.
type ConfigAsk struct{}

func (m *ConfigAsk) Room() int { return 0 }

func (m *ConfigAsk) Append(b []byte) []byte { return b }

func (m *ConfigAsk) Decode(body []byte) error { return codec.Read(body).End() }

func (m *ConfigAsk) Describe() string { return "" }

// ConfigIs carries the configuration in force; nil: there is none.
type ConfigIs struct{ Config *voting.Config }

func (m *ConfigIs) Room() int { return 256 }

func (m *ConfigIs) Append(b []byte) []byte {
	b = codec.AppendBool(b, m.Config != nil)
	if m.Config == nil {
		return b
	}
	return voting.Append(b, m.Config)
}

func (m *ConfigIs) Decode(body []byte) error {
	r := codec.Read(body)
	if r.Bool() {
		m.Config = voting.Read(r)
	}
	return r.End()
}

func (m *ConfigIs) Describe() string {
	if m.Config == nil {
		return ""
	}
	return fmt.Sprintf("epoch %d, voters %v", m.Config.Epoch, m.Config.Voters)
}
