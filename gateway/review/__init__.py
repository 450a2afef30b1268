"""What people say of answers: labels of any, and the queue of those that wait for a person."""
