module "web" {
  source = "./sg"
  name   = "web"
}

module "db" {
  source = "./sg"
  name   = "db"
}
