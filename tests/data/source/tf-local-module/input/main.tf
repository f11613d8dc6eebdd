module "web" {
  source = "./sg"
  name   = "web"
  cidrs  = ["0.0.0.0/0"]
}

module "db" {
  source = "./sg"
  name   = "db"
  cidrs  = ["0.0.0.0/0"]
}
