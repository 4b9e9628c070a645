package sqs

// Exists tells whether there is a queue of that ARN.
func (s *Service) Exists(queueARN string) bool { return s.byARN(queueARN) != nil }
