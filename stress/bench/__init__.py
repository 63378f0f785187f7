"""(to be told)"""
