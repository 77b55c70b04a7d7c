package dynamodb

// Count counts the items of all tables by the text of an attribute. Items without
// it are left out.
func (s *Service) Count(attribute string) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for name := range s.tables {
		items, err := s.items(name)
		if err != nil {
			return nil, err
		}
		for _, one := range items {
			if value := one[attribute]; value != nil && value.S != nil {
				counts[*value.S]++
			}
		}
	}
	return counts, nil
}
