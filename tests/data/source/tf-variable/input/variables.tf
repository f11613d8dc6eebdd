variable "open" {
  default = ["0.0.0.0/0"]
}
