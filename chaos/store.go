package chaos

// Place is where one node of a store runs, as its command line may name it.
type Place struct {
	Number int    // from 1.
	Name   string // "n1".
	// Host is the address on which the node listens, and Ports are what it may use there, in the order of its store's.
	Host  string
	Ports []int
	// Front is the address at which the other nodes reach it on the same ports, through the faults of the network. A
	// node must tell the others this one.
	Front string
	// Dir has the node's files of configuration, and Data its data. They are paths as the node sees them.
	Dir, Data string
}

// Command is how a node is started.
type Command struct {
	Program string // its path.
	Args    []string
	Env     []string          // more variables, NAME=value.
	Files   map[string]string // by name: files of configuration in Place.Dir.
}

// Store is another store than kvs, for targets that start nodes. It has no clocks that can be wrong, and its nodes do
// not come back without their disks: each store has its own way to replace a member.
type Store struct {
	Ports  int // that each node needs.
	Client int // which of them clients use, from 0.
	// Command makes the command of a node. All are the places of all nodes, by number from 0.
	Command func(own Place, all []Place) (Command, error)
}

// Runs reports whether the nodes of s may have a fault, as far as the store is concerned. A nil store is kvs.
func (s *Store) Runs(k Kind) bool {
	if s == nil {
		return true
	}
	return k != Wipe && k != SwapDisks && k.Class() != Clock && k.Class() != Disk
}
