"""The Merkle tree of RFC 6962: hashes, inclusion and consistency proofs, and the stored nodes."""
